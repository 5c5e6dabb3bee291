import type { CacheOutcome } from "../cache/cacheStatus.ts";
import { isObject } from "../mcp/isObject.ts";
import type { Call } from "../mcp/recognise.ts";
import { createdTask } from "../mcp/task.ts";
import type { OperationOutcome } from "../outbox/Operation.ts";
import type { OperationView, Submitted } from "../outbox/Submission.ts";
import type { Answer, Exchange } from "./Exchange.ts";
import { outcomeTold } from "./outcomeTold.ts";
import { takesTasks } from "./submissionOf.ts";

/** How soon to ask again what became of an operation, in ms: of an origin that is down nothing comes of asking often. */
const ASK_MS = 1_000;
const ASK_DOWN_MS = 5_000;

/** What has become of a call, as its caller is told it. */
export function toldOperation(x: Exchange, call: Call, submitted: Submitted): Answer {
  switch (submitted.kind) {
    case "settled": {
      const { operation, isReplay } = submitted;
      const { outcome } = operation;
      if (operation.state !== "done" || !outcome) return failure({ kind: "write-unanswered", operation });
      return answered(x, call, outcome, isReplay);
    }
    case "queued":
      return queued(x, call, submitted.operation);
    case "refused": {
      const { kind: _, ...refusal } = submitted;
      if (refusal.why === "not-announced") return failure({ kind: "not-announced" });
      return failure({ kind: "write-refused", tool: call.target!, refusal });
    }
  }
}

function answered(x: Exchange, { id, era, target }: Call, outcome: OperationOutcome, isReplay: boolean): Answer {
  const told = outcomeTold(x, { id, era, tool: target! }, outcome);
  if (!told) return failure({ kind: era === "modern" ? "asked-back" : "no-such-form" });
  const how: CacheOutcome = { kind: "forward", why: "bypass", ...(isReplay && { detail: "replay" }) };
  return { kind: "message", result: isReplay ? "local" : "relay", ...told, outcome: how };
}

function queued(x: Exchange, call: Call, operation: OperationView): Answer {
  const isDown = x.feed.health.state === "down";
  if (!takesTasks(call)) {
    return failure({ kind: "write-queued", operation, retryAfterMs: isDown ? ASK_DOWN_MS : ASK_MS });
  }
  const { retentionMs } = x.origin.outbox!;
  const result = createdTask(operation, x.now(), { retentionMs, isDown });
  const text = JSON.stringify({ jsonrpc: "2.0", id: call.id, result });
  return { kind: "message", result: "local", status: 200, text };
}

/** Whether an outcome has changed something, as far as anybody knows. */
export function hasApplied({ kind, text }: OperationOutcome): boolean {
  if (kind === "error") return false;
  const result: unknown = JSON.parse(text);
  return !isObject(result) || result["isError"] !== true;
}

function failure(reason: Extract<Answer, { kind: "failure" }>["failure"]): Answer {
  return { kind: "failure", failure: reason };
}
