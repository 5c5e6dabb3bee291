import { isObject } from "../mcp/isObject.ts";
import { targetOf } from "../mcp/targetOf.ts";
import type { RequestResult } from "../telemetry/events.ts";
import type { Answer, Exchange } from "./Exchange.ts";

/** Counts the answer to a message that did not come alone. */
export function countAnswer({ tally, now, arrivedAt, body }: Exchange, answer: Answer): void {
  const { method, params } = isObject(body) ? body : {};
  tally.count({
    method: typeof method === "string" ? method : undefined,
    target: targetOf(params),
    result: resultOf(answer),
    durationMs: Math.max(0, now() - arrivedAt),
    ageMs: answer.kind === "message" ? answer.ageMs : undefined,
    isSaved: isSaved(answer),
  });
}

/** Whether the origin was not called for an answer, or only for somebody else's. */
export function isSaved(answer: Answer): boolean {
  if (answer.kind !== "message") return false;
  const { outcome } = answer;
  return outcome?.kind === "hit" || (outcome?.kind === "forward" && outcome.collapsed === true);
}

function resultOf(answer: Answer): RequestResult {
  if (answer.kind === "message") return answer.result;
  if (answer.kind === "failure") return "error";
  return answer.kind === "stream" ? "relay" : "local";
}
