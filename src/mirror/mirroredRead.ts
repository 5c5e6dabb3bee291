import { CODE } from "../mcp/names.ts";
import type { OriginFailure } from "../origin/failure.ts";
import type { OwnCalls } from "../origin/OwnCalls.ts";
import { neutralBody } from "./neutralBody.ts";
import type { MirroredResult, Skipped } from "./Source.ts";

/** The most that is mirrored of one resource. A row of D1 has at most 2 MB. */
const MAX_BYTES = 1_000_000;
/** Keys are bounded, too. */
const MAX_URI = 500;

/** What a resource says, as it is mirrored: as it is, text or binary. Or why it is not, or that it is not there. */
export async function mirroredRead(
  calls: OwnCalls,
  uri: string,
): Promise<MirroredResult | Skipped | { gone: true } | { failure: OriginFailure }> {
  const skipped = (why: string): Skipped => ({ uri: uri.slice(0, MAX_URI), why });
  if (uri.length > MAX_URI) return skipped(`its URI has over ${MAX_URI} characters`);
  const answer = await calls.ask("resources/read", { uri });
  if ("failure" in answer) return answer;
  if ("bad" in answer) return skipped(answer.bad);
  if ("error" in answer) {
    const { error } = answer;
    const isGone = error === CODE.resourceNotFound || error === CODE.invalidParams;
    return isGone ? { gone: true } : skipped(`the JSON-RPC error ${error}`);
  }
  const body = neutralBody(answer.text, answer.result);
  if (body === undefined) return skipped("it must not be kept, or has a member twice");
  const isLarge = body.length > MAX_BYTES || new TextEncoder().encode(body).length > MAX_BYTES;
  return isLarge ? skipped(`it is over ${MAX_BYTES} bytes`) : { key: `read:${uri}`, body };
}
