import type { CacheOutcome } from "../cache/cacheStatus.ts";
import { isObject } from "../mcp/isObject.ts";
import type { Call } from "../mcp/recognise.ts";
import { callOrigin } from "../origin/callOrigin.ts";
import type { OriginFailure } from "../origin/failure.ts";
import { shownTools } from "../origin/land.ts";
import { mediaType, readReply } from "../origin/readReply.ts";
import type { Answer, Exchange } from "./Exchange.ts";
import { forwardedHeaders } from "./forwardedHeaders.ts";
import { heed } from "./heed.ts";

/** What is read whole, an error or a list to be filtered, is read up to this. */
const MAX_READ_BYTES = 16 * 1_048_576;

/**
 * Sends the request to the origin as it came, and the response back as it comes. `call` is what was recognised in it;
 * `watch` looks at the body as it passes, and may keep it.
 */
export async function relay(x: Exchange, call?: Call, watch?: (response: Response) => Response): Promise<Answer> {
  const { settings } = x.origin;
  const called = await callOrigin(settings, x.env as unknown as Record<string, unknown>, {
    method: x.httpMethod,
    headers: forwardedHeaders(x, watch !== undefined),
    ...(x.httpMethod === "POST" && { body: x.text }),
  });
  if ("failure" in called) return failure(called.failure);
  const { response } = called;
  const { status } = response;
  const outcome: CacheOutcome = { kind: "forward", why: "bypass", status };
  const { id, method } = isObject(x.body) ? x.body : {};

  // What belongs to a session of the origin's own keeps its HTTP form: there a status such as 404 has a meaning.
  const inSession = x.httpMethod !== "POST" || x.headers.has("mcp-session-id");
  const filtered = settings.denied !== undefined && method === "tools/list";
  if (status === 401 || status === 403 || (status >= 300 && !inSession) || filtered) {
    const reply = await readReply(response, { id, maxBytes: MAX_READ_BYTES, totalMs: settings.totalMs });
    if ("tooLarge" in reply) return failure({ kind: "garbage", detail: "an answer too large to be read" });
    const own = "text" in reply ? reply : ownWords(reply.failure);
    if (!own) return failure((reply as { failure: OriginFailure }).failure);
    await heed(x, call, own.text);
    const text = filtered ? shownTools(own.text, settings) : own.text;
    return { kind: "message", result: "relay", status: own.status, text, outcome };
  }
  const type = mediaType(response);
  if (!inSession && status !== 202 && type !== "application/json" && type !== "text/event-stream") {
    await response.body?.cancel();
    return failure({ kind: "garbage", detail: "a body that is not MCP" });
  }
  return { kind: "stream", response: watch ? watch(response) : response, outcome };
}

/** What the origin itself said beside a 5xx or 429, where it said something in JSON-RPC. */
export function ownWords(failure: OriginFailure): { status: number; text: string } | undefined {
  return failure.kind === "status" && failure.reply !== undefined
    ? { status: failure.status, text: failure.reply }
    : undefined;
}

function failure(reason: OriginFailure): Answer {
  return { kind: "failure", failure: { kind: "origin", failure: reason } };
}
