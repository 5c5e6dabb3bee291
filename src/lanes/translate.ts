import { CLIENT_INFO } from "../mcp/clientInfo.ts";
import { metaOf } from "../mcp/envelope.ts";
import { failureWords } from "../mcp/failureWords.ts";
import { hear } from "../mcp/hear.ts";
import { isObject } from "../mcp/isObject.ts";
import { LOG_LEVELS } from "../mcp/logLevels.ts";
import { messageIn } from "../mcp/messageIn.ts";
import { methodHeaders } from "../mcp/methodHeaders.ts";
import { cacheableMethod } from "../mcp/methods.ts";
import { META_LOG_LEVEL } from "../mcp/names.ts";
import type { Call } from "../mcp/recognise.ts";
import { sseEvent } from "../mcp/sseEvent.ts";
import { SseReader } from "../mcp/SseReader.ts";
import { toLegacyReply } from "../mcp/toLegacyReply.ts";
import { toLegacyRequest } from "../mcp/toLegacyRequest.ts";
import { toModernReply } from "../mcp/toModernReply.ts";
import { toModernRequest } from "../mcp/toModernRequest.ts";
import { NotUtf8, Utf8 } from "../mcp/Utf8.ts";
import { LEGACY_VERSIONS, MODERN_VERSION } from "../mcp/versions.ts";
import { withId } from "../mcp/withId.ts";
import type { PooledCall } from "../origin/PooledCall.ts";
import { isResponse, mediaType } from "../origin/readReply.ts";
import { knownEras } from "./eras.ts";
import type { Answer, Exchange, Failure } from "./Exchange.ts";
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
  const headers = Object.fromEntries(
    Object.entries(forwardedHeaders(x)).filter(([name]) => !name.startsWith("mcp-") && name !== "last-event-id"),
  );
  if (x.asksIn === "legacy") {
    return { headers: { ...headers, "mcp-protocol-version": knownEras(x).version ?? LEGACY_VERSIONS[0]! }, body };
  }
  const { method, params } = isObject(x.body) ? x.body : {};
  const name = isObject(params) ? (method === "resources/read" ? params["uri"] : params["name"]) : undefined;
  return {
    headers: {
      ...headers,
      "mcp-protocol-version": MODERN_VERSION,
      ...methodHeaders(String(method), typeof name === "string" ? name : null),
    },
    body,
  };
}

/** What is known of an answer besides what it says. */
export interface Circumstances {
  /** Whether these words are the replica's, and stay. */
  isOwn?: (words: string) => boolean;
  /** The call in its pooled session, where it was made in one. */
  pooled?: Pick<PooledCall, "names" | "caller" | "declined"> | undefined;
  /** What the origin wanted to ask the client for on the way, and could not. */
  declined?: readonly string[] | undefined;
}

/** An event that has grown larger than this is not told: it would have to be held as a whole. */
const MAX_EVENT = 16 * 1_048_576;

/** What such an origin answered, as the caller is told it. */
export function translatedAnswer(
  x: Exchange,
  call: Call | undefined,
  given: Answer,
  circumstances: Circumstances = {},
): Answer {
  if (given.kind === "message") {
    const { pooled, declined = pooled?.declined } = circumstances;
    if (messageIn(given.text) === undefined) return unusable();
    const told = reply(x, call, asOwn(x, given.text), declined);
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
  const body = response.body.pipeThrough(eachEvent(x, call, circumstances));
  return { ...given, response: new Response(body, response) };
}

/**
 * The answer under the caller's id. In a shared session it has another; and an error may have none, which a status would
 * tell by itself that it is not told with.
 */
function asOwn({ body, scan }: Exchange, answer: string): string {
  // Which of two ids the origin took is in the answer.
  return scan.duplicates ? answer : withId(answer, (body as { id: string | number }).id);
}

/** Why an answer cannot be told: it asks for something first, or is a task. */
function untold({ asksIn }: Exchange): Failure {
  return { kind: asksIn === "legacy" ? "asked-back" : "no-such-form" };
}

const UNUSABLE: Failure = {
  kind: "origin",
  failure: { kind: "garbage", detail: "it cannot be told in the revision of the request" },
};

function unusable(): Answer {
  return { kind: "failure", failure: UNUSABLE };
}

/** The events of an origin's stream, each told in the caller's words, or not at all. It ends with the response. */
function eachEvent(
  x: Exchange,
  call: Call | undefined,
  { isOwn = () => false, pooled }: Circumstances,
): TransformStream<Uint8Array, Uint8Array> {
  const encoder = new TextEncoder();
  const decoder = new Utf8();
  const events = new SseReader();
  const least = LOG_LEVELS.indexOf(metaOf(x.body)?.[META_LOG_LEVEL]);
  let isAnswered = false;
  const answered = (words: string): string => {
    isAnswered = true;
    return words;
  };
  const tell = (event: string): string | undefined => {
    if (isOwn(event)) return answered(event);
    // In a session of several, what is not this call's is not this caller's.
    const heard = pooled && hear(event, pooled.names, pooled.caller);
    const own = heard === undefined ? event : "text" in heard ? heard.text : undefined;
    return own === undefined ? undefined : tellOwn(own);
  };
  const tellOwn = (event: string): string | undefined => {
    const message = messageIn(event);
    if (message === undefined) return undefined;
    if (typeof message["method"] !== "string") {
      // What answers something else is nothing that the caller waits for.
      if (!x.scan.duplicates && !isResponse(event, (x.body as { id: unknown }).id, true)) return undefined;
      return answered(reply(x, call, asOwn(x, event), pooled?.declined)?.text ?? x.word(untold(x), x.body));
    }
    // The origin asks something of the client, which in a revision without sessions it cannot.
    if (message["id"] !== undefined) return answered(x.word({ kind: "asked-back" }, x.body));
    return x.asksIn === "legacy" && isUnwantedLog(message, least) ? undefined : event;
  };
  /** The events that a piece completes; `undefined` where they are none that could be told. */
  const read = (chunk: Uint8Array): string[] | undefined => {
    try {
      const complete = [...events.push(decoder.decode(chunk))];
      return events.held > MAX_EVENT ? undefined : complete;
    } catch (error) {
      if (error instanceof NotUtf8) return undefined;
      throw error;
    }
  };
  return new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      let told = "";
      const complete = read(chunk);
      for (const event of complete ?? []) {
        const words = tell(event);
        if (words !== undefined) told += sseEvent(words);
        if (isAnswered) break;
      }
      if (!complete) told = sseEvent(answered(x.word(UNUSABLE, x.body)));
      // What is no event is a sign of life.
      if (told !== "" || events.held === 0) controller.enqueue(encoder.encode(told || ":\n\n"));
      if (isAnswered) controller.terminate();
    },
    flush(controller) {
      // A stream that could have been taken up again, where there is no such thing.
      const words = x.word({ kind: "origin", failure: { kind: "unreachable" } }, x.body);
      controller.enqueue(encoder.encode(sseEvent(words)));
    },
  });
}

/** Without a level no log, and none below it (server/utilities/logging). */
function isUnwantedLog({ method, params }: Readonly<Record<string, unknown>>, least: number): boolean {
  if (method !== "notifications/message") return false;
  return least < 0 || LOG_LEVELS.indexOf(isObject(params) ? params["level"] : undefined) < least;
}

function reply(
  x: Exchange,
  call: Call | undefined,
  text: string,
  declined: readonly string[] = [],
): { text: string; status: number } | undefined {
  const method = isObject(x.body) ? String(x.body["method"]) : "";
  if (x.asksIn === "legacy") {
    // What failed for want of an answer says so; what succeeded all the same is what has happened.
    const said = declined.length > 0 ? failureWords(text) : undefined;
    if (said !== undefined) return { text: x.word({ kind: "asked-back", said }, x.body), status: 200 };
    const hints = cacheableMethod(method)?.hints ?? false;
    return toModernReply(text, { method, hints, serverInfo: knownEras(x).serverInfo, declined });
  }
  const told = toLegacyReply(text, { method, isWrapped: call !== undefined && isWrapped(x, call) });
  // Servers of the earlier revisions tell JSON-RPC errors with 200; another status would be one of the transport.
  return told === undefined ? undefined : { text: told, status: 200 };
}
