import { isObject } from "../mcp/isObject.ts";
import { META_ERROR } from "../mcp/names.ts";
import type { OriginFailure } from "../origin/failure.ts";
import type { Answer } from "./Exchange.ts";

/** What is known of a write when its answer, or none, has come. */
export type Outcome =
  /** It has changed something, or may have: it is over. */
  | "applied"
  /** It is over, and has changed nothing. */
  | "not-applied"
  /** It may have changed something, and may yet. */
  | "unknown";

/** What an answer to a write, as the origin gave it, says of it. */
export function outcomeOf(given: Answer): Outcome {
  switch (given.kind) {
    case "message":
      // A gateway may say so of what goes on behind it.
      return given.status >= 500 ? "unknown" : outcomeOfReply(given.text);
    case "stream": {
      const { status } = given.response;
      // Accepted: nobody will say what became of it.
      if (status === 202 || status === 204) return "unknown";
      return status >= 400 ? "not-applied" : "applied";
    }
    case "failure":
      return given.failure.kind === "origin" ? outcomeOfFailure(given.failure.failure) : "not-applied";
    default:
      return "unknown";
  }
}

/** What a JSON-RPC response to a write says of it. One that cannot be read is a response all the same. */
export function outcomeOfReply(reply: string): Outcome {
  let parsed: unknown;
  try {
    parsed = JSON.parse(reply);
  } catch {
    return "applied";
  }
  // The revision with batches has responses among others.
  const messages: unknown[] = Array.isArray(parsed) ? parsed : [parsed];
  const response = messages.find((one) => isObject(one) && ("result" in one || "error" in one));
  if (!isObject(response)) return "applied";
  const { result } = response;
  if (!isObject(result)) return "error" in response ? "not-applied" : "applied";
  // Another replica says of a call that broke off that it failed.
  const meta = result["_meta"];
  if (result["isError"] === true) return isObject(meta) && Object.hasOwn(meta, META_ERROR) ? "unknown" : "not-applied";
  // It wants input first, or goes on as a task.
  const { resultType = "complete", task } = result;
  return resultType === "complete" && task === undefined ? "applied" : "unknown";
}

function outcomeOfFailure(failure: OriginFailure): Outcome {
  switch (failure.kind) {
    case "misconfigured":
    case "no-token":
    case "not-granted":
    case "token-needed":
    case "down":
    case "busy":
    case "refused":
    case "limited":
    case "too-many-calls":
    case "shed":
      return "not-applied";
    case "garbage":
      // A 4xx refuses; what cannot be read otherwise is an answer.
      return failure.status === undefined ? "applied" : "not-applied";
    case "status":
      return failure.status === 429 ? "not-applied" : "unknown";
    case "unreachable":
    case "timeout":
    case "asked-back":
    case "over-budget":
      return "unknown";
  }
}
