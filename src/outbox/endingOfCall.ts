import { isObject } from "../mcp/isObject.ts";
import { membersOf } from "../mcp/members.ts";
import { messageIn } from "../mcp/messageIn.ts";
import type { Era } from "../mcp/versions.ts";
import type { OriginFailure } from "../origin/failure.ts";
import type { Called } from "../origin/OwnCalls.ts";
import type { Ending } from "./Ending.ts";
import type { OperationReason } from "./Operation.ts";

/** What came of a call says of whether it was executed. */
export function endingOfCall(called: Called): Ending {
  if ("unsent" in called) return notExecuted("not-sendable", called.unsent);
  const { reply, era } = called;
  // It would be too large again.
  if ("tooLarge" in reply) return { kind: "unknown", reason: "unusable-answer", isFinal: true };
  return "failure" in reply ? endingOfFailure(reply.failure) : endingOfAnswer(reply.text, era);
}

function endingOfFailure(failure: OriginFailure): Ending {
  switch (failure.kind) {
    case "unreachable":
      return { kind: "unknown", reason: "no-answer" };
    case "timeout":
      return { kind: "unknown", reason: "timeout" };
    case "status":
      // Who counts calls refuses one before it is executed; of what else has failed nobody knows how far it came.
      if (failure.status === 429) return notExecuted("origin-refused", failure);
      return { kind: "unknown", reason: "origin-failed", ...waitOf(failure) };
    case "refused":
      return notExecuted("origin-refused", failure);
    case "garbage":
      if (failure.status !== undefined) return { kind: "hopeless", reason: "origin-refused" };
      return { kind: "unknown", reason: "unusable-answer" };
    case "asked-back":
      // It would ask again.
      return { kind: "unknown", reason: "unfinished", isFinal: true };
    case "over-budget":
      return { kind: "unknown", reason: "unusable-answer", isFinal: true };
    case "no-token":
    case "not-granted":
    case "token-needed":
    case "misconfigured":
    case "busy":
    case "down":
    case "limited":
    case "too-many-calls":
    case "shed":
      return notExecuted("not-sendable", failure);
  }
}

/** The origin's own words are kept as they are: `text` is a JSON-RPC response. */
function endingOfAnswer(text: string, era: Era): Ending {
  const { result, error } = messageIn(text) ?? {};
  if (error !== undefined) return { kind: "answered", outcome: { kind: "error", text: memberOf(text, "error"), era } };
  if (!isObject(result)) return { kind: "unknown", reason: "unusable-answer" };
  // Absent is complete for servers of earlier revisions (basic, Results).
  const { resultType = "complete", task, content } = result;
  if (resultType === "input_required") return { kind: "hopeless", reason: "unfinished" };
  // Earlier revisions have no `resultType`: a task is told by its own member (2025-11-25, tasks).
  if (resultType === "task" || (isObject(task) && content === undefined)) {
    return { kind: "unknown", reason: "unfinished", isFinal: true };
  }
  if (resultType !== "complete") return { kind: "unknown", reason: "unusable-answer" };
  return { kind: "answered", outcome: { kind: "result", text: memberOf(text, "result"), era } };
}

function memberOf(text: string, name: string): string {
  const { valueStart, end } = membersOf(text, text.indexOf("{")).findLast(({ key }) => key === name)!;
  return text.slice(valueStart, end);
}

function notExecuted(reason: OperationReason, failure: OriginFailure): Ending {
  return { kind: "not-executed", reason, ...waitOf(failure) };
}

/** What the origin, or another, says of when it may be asked again. */
function waitOf(failure: OriginFailure): { retryAfterMs?: number } {
  return "retryAfterMs" in failure && failure.retryAfterMs !== undefined ? { retryAfterMs: failure.retryAfterMs } : {};
}
