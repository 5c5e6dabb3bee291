import { errorCode } from "../mcp/errorCode.ts";
import { CODE } from "../mcp/names.ts";
import { SseReader } from "../mcp/SseReader.ts";
import { Utf8 } from "../mcp/Utf8.ts";
import { bodyOf } from "../origin/bodyOf.ts";
import type { Answer } from "./Exchange.ts";

/**
 * An answer with its HTTP status, where it is that nobody knows the method (404, basic/transports): servers of the
 * earlier revisions say so in a stream, too. Any other stream passes on, once its first event is there.
 */
export async function withStatus(given: Answer): Promise<Answer> {
  if (given.kind !== "stream" || !given.response.body) return given;
  const { response, outcome } = given;
  const reader = response.body!.getReader();
  const begun: Uint8Array[] = [];
  const events = new SseReader();
  const decoder = new Utf8();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return { ...given, response: new Response(bodyOf(begun), response) };
    begun.push(value);
    const [first] = events.push(decoder.decode(value));
    if (first === undefined) continue;
    if (errorCode(first) !== CODE.methodNotFound) {
      return { ...given, response: new Response(bodyOf(begun, reader), response) };
    }
    reader.cancel().catch(() => {});
    return { kind: "message", result: "relay", status: 404, text: first, outcome };
  }
}
