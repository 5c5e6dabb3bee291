import { isObject } from "../mcp/isObject.ts";
import { operationStatus } from "../mcp/task.ts";
import { STATUS_TOOL } from "../mcp/withOperations.ts";
import type { Answer, Exchange } from "./Exchange.ts";
import { factsOf, operationOf, termsOf } from "./operationOf.ts";
import { eraOf, failed, ownResult, wrongIn } from "./ownAnswer.ts";

/** Answers a call of the replica's own tool, which says what has become of one of the caller's operations. */
export async function operationTool(x: Exchange, args: unknown): Promise<Answer> {
  const wrong = wrongIn(x);
  if (wrong) return wrong;
  const id = isObject(args) ? args["id"] : undefined;
  if (typeof id !== "string") {
    const place = { at: "id", expected: "must be a string: the operation's id" };
    return failed({ kind: "invalid-arguments", tool: STATUS_TOOL, places: [place] });
  }
  const looked = await operationOf(x, id);
  if (looked.kind === "none") return failed({ kind: "unknown-operation", id });
  if (looked.kind === "unavailable") return failed({ kind: "operations-unavailable" });
  const status = operationStatus(factsOf(x, looked.view, eraOf(x)), x.now(), termsOf(x));
  return ownResult(x, `"content":[{"type":"text","text":${JSON.stringify(status)}}],"structuredContent":${status}`);
}
