import { encodeHeaderValue } from "../mcp/headerValue.ts";
import { metaOf } from "../mcp/envelope.ts";
import { isObject } from "../mcp/isObject.ts";
import { cacheableMethod } from "../mcp/methods.ts";
import { META_LOG_LEVEL } from "../mcp/names.ts";
import type { Call } from "../mcp/recognise.ts";
import { SseReader } from "../mcp/SseReader.ts";
import { toLegacyReply } from "../mcp/toLegacyReply.ts";
import { toLegacyRequest } from "../mcp/toLegacyRequest.ts";
import { toModernReply } from "../mcp/toModernReply.ts";
import { toModernRequest } from "../mcp/toModernRequest.ts";
import { Utf8 } from "../mcp/Utf8.ts";
import { LEGACY_VERSIONS, MODERN_VERSION } from "../mcp/versions.ts";
import { mediaType } from "../origin/readReply.ts";
import { CLIENT_INFO } from "./clientInfo.ts";
import type { Answer, Exchange } from "./Exchange.ts";
import { fillHeaders, inOriginsEra } from "./fillHeaders.ts";
import { forwardedHeaders } from "./forwardedHeaders.ts";
import { isWrapped } from "./learn.ts";

/** A request as an origin gets it that lacks the caller's era. */
export function translatedRequest(
  x: Exchange,
  call: Call | undefined,
): { headers: Record<string, string>; body: string } {
  const body = x.asksIn === "modern" ? toModernRequest(x.text, CLIENT_INFO) : toLegacyRequest(x.text);
  if (call) return { headers: fillHeaders(x, inOriginsEra(x, call)), body };
  const headers = Object.fromEntries(Object.entries(forwardedHeaders(x)).filter(([name]) => !name.startsWith("mcp-")));
  if (x.asksIn === "legacy") return { headers: { ...headers, "mcp-protocol-version": LEGACY_VERSIONS[0]! }, body };
  const { method, params } = isObject(x.body) ? x.body : {};
  const name = isObject(params) ? (method === "resources/read" ? params["uri"] : params["name"]) : undefined;
  return {
    headers: {
      ...headers,
      "mcp-protocol-version": MODERN_VERSION,
      "mcp-method": String(method),
      ...(typeof name === "string" && { "mcp-name": encodeHeaderValue(name) }),
    },
    body,
  };
}

/** What such an origin answered, as the caller is told it. */
export function translatedAnswer(x: Exchange, call: Call | undefined, given: Answer): Answer {
  if (given.kind === "message") {
    const told = reply(x, call, given.text);
    if (!told) return { kind: "failure", failure: { kind: "no-such-form" } };
    const isUnwell = given.status >= 500 || given.status === 429;
    return { ...given, text: told.text, status: isUnwell ? given.status : told.status };
  }
  if (given.kind !== "stream" || !given.response.body || mediaType(given.response) !== "text/event-stream")
    return given;
  const wantsLog = metaOf(x.body)?.[META_LOG_LEVEL] !== undefined;
  const tell = (event: string): string | undefined => {
    if (!event.includes('"method"')) return reply(x, call, event)?.text ?? x.word({ kind: "no-such-form" }, x.body);
    if (x.asksIn === "modern") return event;
    const message = JSON.parse(event) as { id?: unknown; method?: unknown };
    if (typeof message.method !== "string") return reply(x, call, event)?.text;
    // What the origin asks of the client in the middle of a call, a modern client is asked in no such way.
    if (message.id !== undefined) return x.word({ kind: "asked-back" }, x.body);
    // Without a level, no log (server/utilities/logging).
    return message.method === "notifications/message" && !wantsLog ? undefined : event;
  };
  return { ...given, response: new Response(given.response.body.pipeThrough(eachEvent(tell)), given.response) };
}

function reply(x: Exchange, call: Call | undefined, text: string): { text: string; status: number } | undefined {
  const method = isObject(x.body) ? String(x.body["method"]) : "";
  if (x.asksIn === "legacy") {
    const { serverInfo } = x.isolate.eras.get(x.origin.settings.id)?.eras ?? {};
    return toModernReply(text, cacheableMethod(method)?.hints ?? false, serverInfo);
  }
  const told = toLegacyReply(text, { method, isWrapped: call !== undefined && isWrapped(x, call) });
  // Servers of the earlier revisions tell JSON-RPC errors with 200; another status would be one of the transport.
  return told === undefined ? undefined : { text: told, status: 200 };
}

/** Server-sent events, each told in other words, or not at all. */
function eachEvent(tell: (event: string) => string | undefined): TransformStream<Uint8Array, Uint8Array> {
  const encoder = new TextEncoder();
  const decoder = new Utf8();
  const events = new SseReader();
  return new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      let told = "";
      for (const event of events.push(decoder.decode(chunk))) {
        const words = tell(event);
        if (words !== undefined) told += `event: message\ndata: ${words}\n\n`;
      }
      // What is no event is a sign of life.
      if (told !== "" || events.held === 0) controller.enqueue(encoder.encode(told || ":\n\n"));
    },
  });
}
