import { encodeHeaderValue } from "../mcp/headerValue.ts";
import { isObject } from "../mcp/isObject.ts";
import type { Call } from "../mcp/recognise.ts";
import { SseReader } from "../mcp/SseReader.ts";
import { toLegacyReply } from "../mcp/toLegacyReply.ts";
import { toModernRequest } from "../mcp/toModernRequest.ts";
import { Utf8 } from "../mcp/Utf8.ts";
import { MODERN_VERSION } from "../mcp/versions.ts";
import { mediaType } from "../origin/readReply.ts";
import { CLIENT_INFO } from "./clientInfo.ts";
import type { Answer, Exchange } from "./Exchange.ts";
import { fillHeaders, inOriginsEra } from "./fillHeaders.ts";
import { forwardedHeaders } from "./forwardedHeaders.ts";
import { isWrapped } from "./learn.ts";

/** A legacy caller's request as an origin gets it that is modern only. */
export function modernRequest(x: Exchange, call: Call | undefined): { headers: Record<string, string>; body: string } {
  const body = toModernRequest(x.text, CLIENT_INFO);
  if (call) return { headers: fillHeaders(x, inOriginsEra(x, call)), body };
  const { method, params } = isObject(x.body) ? x.body : {};
  const headers = { ...forwardedHeaders(x), "mcp-protocol-version": MODERN_VERSION, "mcp-method": String(method) };
  const name = isObject(params) ? (method === "resources/read" ? params["uri"] : params["name"]) : undefined;
  return { headers: typeof name === "string" ? { ...headers, "mcp-name": encodeHeaderValue(name) } : headers, body };
}

/** What such an origin answered, as the legacy caller is told it. */
export function legacyAnswer(x: Exchange, call: Call | undefined, given: Answer): Answer {
  const method = isObject(x.body) ? String(x.body["method"]) : "";
  const asked = { method, isWrapped: call !== undefined && isWrapped(x, call) };
  if (given.kind === "message") {
    const text = toLegacyReply(given.text, asked);
    if (text === undefined) return { kind: "failure", failure: { kind: "no-such-form" } };
    // Servers of the earlier revisions tell JSON-RPC errors with 200; another status would be one of the transport.
    return { ...given, text, status: given.status < 500 && given.status !== 429 ? 200 : given.status };
  }
  if (given.kind !== "stream" || !given.response.body || mediaType(given.response) !== "text/event-stream")
    return given;
  const tell = (event: string) => {
    if (!event.includes('"result"') && !event.includes('"error"')) return event;
    return toLegacyReply(event, asked) ?? x.word({ kind: "no-such-form" }, x.body);
  };
  return { ...given, response: new Response(given.response.body.pipeThrough(eachEvent(tell)), given.response) };
}

/** Server-sent events, each told in other words. */
function eachEvent(tell: (event: string) => string): TransformStream<Uint8Array, Uint8Array> {
  const encoder = new TextEncoder();
  const decoder = new Utf8();
  const events = new SseReader();
  return new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      let told = "";
      for (const event of events.push(decoder.decode(chunk))) told += `event: message\ndata: ${tell(event)}\n\n`;
      // What is no event is a sign of life.
      if (told !== "" || events.held === 0) controller.enqueue(encoder.encode(told || ":\n\n"));
    },
  });
}
