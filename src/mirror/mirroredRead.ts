import { CODE } from "../mcp/names.ts";
import type { OriginFailure } from "../origin/failure.ts";
import type { OwnCalls } from "../origin/OwnCalls.ts";
import { neutralBody } from "./neutralBody.ts";
import { bytesIn, MAX_BODY_BYTES } from "./rowOf.ts";
import type { MirroredResult, Skipped } from "./Source.ts";

/** The longest URI, in UTF-16 units: it is in the key. */
const MAX_URI = 4_000;
/** Of a URI, in what is said of it. */
const MAX_SHOWN = 200;

/** What a resource says, as it is mirrored: as it is, text or binary. Or why it is not, or that it is not there. */
export async function mirroredRead(
  calls: OwnCalls,
  uri: string,
): Promise<MirroredResult | Skipped | { gone: true } | { failure: OriginFailure }> {
  const skipped = (why: string): Skipped => ({ uri: uri.slice(0, MAX_SHOWN).toWellFormed(), why });
  if (uri.length > MAX_URI) return skipped(`its URI has over ${MAX_URI} characters`);
  if (!uri.isWellFormed() || uri.includes("\0")) return skipped("its URI has characters that cannot be stored");
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
  const isLarge = body.length > MAX_BODY_BYTES || bytesIn(body) > MAX_BODY_BYTES;
  return isLarge ? skipped(`it is over ${MAX_BODY_BYTES} bytes`) : { key: `read:${uri}`, body };
}
