import { operationStatus } from "../mcp/task.ts";
import type { Answer, Exchange } from "./Exchange.ts";
import { factsOf, operationOf, termsOf } from "./operationOf.ts";
import { eraOf, failed, ownResult, wrongIn } from "./ownAnswer.ts";

/** Answers a read of the resource that says what has become of one of the caller's operations. */
export async function operationResource(x: Exchange, uri: string, id: string): Promise<Answer> {
  const wrong = wrongIn(x);
  if (wrong) return wrong;
  const era = eraOf(x);
  const looked = await operationOf(x, id);
  if (looked.kind === "none") return failed({ kind: "unknown-operation", id, uri, isLegacy: era === "legacy" });
  if (looked.kind === "unavailable") return failed({ kind: "operations-unavailable" });
  const text = operationStatus(factsOf(x, looked.view, era), x.now(), termsOf(x));
  const contents = JSON.stringify([{ uri, mimeType: "application/json", text }]);
  // It may be another the next moment.
  return ownResult(x, `"contents":${contents}${era === "modern" ? ',"ttlMs":0,"cacheScope":"private"' : ""}`);
}
