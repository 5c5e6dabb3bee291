import { metaOf } from "../mcp/envelope.ts";
import { encodeHeaderValue } from "../mcp/headerValue.ts";
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
import { knownEras } from "./eras.ts";
import type { Answer, Exchange, Failure } from "./Exchange.ts";
import { fillHeaders, inOriginsEra } from "./fillHeaders.ts";
import { forwardedHeaders } from "./forwardedHeaders.ts";
import { isWrapped } from "./learn.ts";

/** The levels of log messages (RFC 5424), the least of them first. */
const LEVELS: readonly unknown[] = ["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"];

/** A request as an origin gets it that lacks the caller's era. */
export function translatedRequest(
  x: Exchange,
  call: Call | undefined,
): { headers: Record<string, string>; body: string } {
  const body = x.asksIn === "modern" ? toModernRequest(x.text, CLIENT_INFO) : toLegacyRequest(x.text);
  if (call) return { headers: fillHeaders(x, inOriginsEra(x, call)), body };
  const headers = Object.fromEntries(Object.entries(forwardedHeaders(x)).filter(([name]) => !name.startsWith("mcp-")));
  if (x.asksIn === "legacy") {
    return { headers: { ...headers, "mcp-protocol-version": knownEras(x).version ?? LEGACY_VERSIONS[0]! }, body };
  }
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

/** What such an origin answered, as the caller is told it; `isOwn` says of words that they are the replica's, and stay. */
export function translatedAnswer(
  x: Exchange,
  call: Call | undefined,
  given: Answer,
  isOwn: (words: string) => boolean = () => false,
): Answer {
  if (given.kind === "message") {
    if (messageIn(given.text) === undefined) return unusable();
    const told = reply(x, call, given.text);
    if (!told) return { kind: "failure", failure: untold(x) };
    const isUnwell = given.status >= 500 || given.status === 429;
    return { ...given, text: told.text, status: isUnwell ? given.status : told.status };
  }
  if (given.kind !== "stream") return given;
  const { response } = given;
  if (!response.body || mediaType(response) !== "text/event-stream") {
    // What is too large to be read, or no JSON, cannot be told in other words.
    response.body?.cancel().catch(() => {});
    return unusable();
  }
  const body = response.body.pipeThrough(eachEvent(x, call, isOwn));
  return { ...given, response: new Response(body, response) };
}

/** Why an answer cannot be told: it asks for something first, or is a task. */
function untold({ asksIn }: Exchange): Failure {
  return { kind: asksIn === "legacy" ? "asked-back" : "no-such-form" };
}

function unusable(): Answer {
  const failure = { kind: "garbage", detail: "it cannot be told in the revision of the request" } as const;
  return { kind: "failure", failure: { kind: "origin", failure } };
}

/** The events of an origin's stream, each told in the caller's words, or not at all. It ends with the response. */
function eachEvent(
  x: Exchange,
  call: Call | undefined,
  isOwn: (words: string) => boolean,
): TransformStream<Uint8Array, Uint8Array> {
  const encoder = new TextEncoder();
  const decoder = new Utf8();
  const events = new SseReader();
  const least = LEVELS.indexOf(metaOf(x.body)?.[META_LOG_LEVEL]);
  let isAnswered = false;
  const answered = (words: string): string => {
    isAnswered = true;
    return words;
  };
  const tell = (event: string): string | undefined => {
    if (isOwn(event)) return answered(event);
    const message = messageIn(event);
    if (message === undefined) return undefined;
    if (typeof message["method"] !== "string") {
      return answered(reply(x, call, event)?.text ?? x.word(untold(x), x.body));
    }
    // The origin asks something of the client, which in a revision without sessions it cannot.
    if (message["id"] !== undefined) return answered(x.word({ kind: "asked-back" }, x.body));
    return x.asksIn === "legacy" && isUnwantedLog(message, least) ? undefined : event;
  };
  return new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      let told = "";
      for (const event of events.push(decoder.decode(chunk))) {
        const words = tell(event);
        if (words !== undefined) told += `event: message\ndata: ${words}\n\n`;
        if (isAnswered) break;
      }
      // What is no event is a sign of life.
      if (told !== "" || events.held === 0) controller.enqueue(encoder.encode(told || ":\n\n"));
      if (isAnswered) controller.terminate();
    },
    flush(controller) {
      // A stream that could have been taken up again, where there is no such thing.
      const words = x.word({ kind: "origin", failure: { kind: "unreachable" } }, x.body);
      controller.enqueue(encoder.encode(`event: message\ndata: ${words}\n\n`));
    },
  });
}

/** Without a level no log, and none below it (server/utilities/logging). */
function isUnwantedLog({ method, params }: Readonly<Record<string, unknown>>, least: number): boolean {
  if (method !== "notifications/message") return false;
  return least < 0 || LEVELS.indexOf(isObject(params) ? params["level"] : undefined) < least;
}

function reply(x: Exchange, call: Call | undefined, text: string): { text: string; status: number } | undefined {
  const method = isObject(x.body) ? String(x.body["method"]) : "";
  if (x.asksIn === "legacy") {
    const hints = cacheableMethod(method)?.hints ?? false;
    return toModernReply(text, { method, hints, serverInfo: knownEras(x).serverInfo });
  }
  const told = toLegacyReply(text, { method, isWrapped: call !== undefined && isWrapped(x, call) });
  // Servers of the earlier revisions tell JSON-RPC errors with 200; another status would be one of the transport.
  return told === undefined ? undefined : { text: told, status: 200 };
}

function messageIn(text: string): Record<string, unknown> | undefined {
  try {
    const message: unknown = JSON.parse(text);
    return isObject(message) ? message : undefined;
  } catch {
    return undefined;
  }
}
