import type { CacheOutcome } from "../cache/cacheStatus.ts";
import { isModern } from "../mcp/envelope.ts";
import { errorCode } from "../mcp/errorCode.ts";
import { isObject } from "../mcp/isObject.ts";
import { isList } from "../mcp/methods.ts";
import type { Call } from "../mcp/recognise.ts";
import { shownEvent } from "../mcp/shownReply.ts";
import { LEGACY_VERSIONS } from "../mcp/versions.ts";
import { withoutPromise } from "../mcp/withoutPromise.ts";
import { NotUtf8, Utf8 } from "../mcp/Utf8.ts";
import { bodyOf } from "../origin/bodyOf.ts";
import { callOrigin, failureOf } from "../origin/callOrigin.ts";
import type { OriginFailure } from "../origin/failure.ts";
import type { PooledCall } from "../origin/PooledCall.ts";
import { shownTools } from "../origin/land.ts";
import { isResponse, mediaType, readReply } from "../origin/readReply.ts";
import { retryAfterMs } from "../origin/retryAfter.ts";
import { readSome } from "../origin/readSome.ts";
import { TooLarge } from "../origin/TooLarge.ts";
import { DUPLICATE_KEYS } from "./duplicateKeys.ts";
import { barred } from "./barred.ts";
import type { Answer, Exchange, Failure } from "./Exchange.ts";
import { fillHeaders } from "./fillHeaders.ts";
import { forwardedHeaders } from "./forwardedHeaders.ts";
import { heed } from "./heed.ts";
import { heedNotification } from "./heedChange.ts";
import { keepNothing, keepReply, type Keeping } from "./keepReply.ts";
import { noteEnding } from "./noteHealth.ts";
import { outcomeOf, outcomeOfReply } from "./outcomeOf.ts";
import { passOn } from "./passOn.ts";
import { isPooled, pooledCall } from "./pool.ts";
import { translatedAnswer, translatedRequest } from "./translate.ts";
import { endSession, sealSession } from "./sessions.ts";
import { withStatus } from "./withStatus.ts";
import { writeOf, type Write } from "./Write.ts";

/** What is read whole, an error or a list to be filtered, is read up to this. */
const MAX_READ_BYTES = 16 * 1_048_576;
/** JSON up to this is looked at before it goes on: whether it is all there, and an answer to what was asked. */
const MAX_CHECKED_BYTES = 262_144;

/** What is known of a request besides what it says. */
export interface Relayed {
  /** What was recognised in it. */
  call?: Call | undefined;
  /** What its answer may be kept as. */
  keeping?: Keeping | undefined;
  /** The response to give where a stream breaks off without one; by default, that it did. */
  instead?: (() => string) | undefined;
  /** That callers may keep nothing of what they are told, whatever the origin says. */
  unpromised?: boolean;
}

/** Sends the request to the origin as it came, and the response back as it comes; both in other words only where their eras differ. */
export async function relay(x: Exchange, relayed: Relayed = {}): Promise<Answer> {
  const isShared = isPooled(x);
  // In a session of several, a message is told apart by its id.
  if (isShared && x.scan.duplicates) return { kind: "failure", failure: DUPLICATE_KEYS };
  const down = await barred(x, relayed.instead === undefined);
  if (down) return failure(down);
  const pooled = isShared ? await pooledCall(x) : undefined;
  const write = writeOf(x);
  if (write && !(await write.announce())) return { kind: "failure", failure: { kind: "not-announced" } };
  // What the replica says itself is in the caller's words already.
  const own = new Set<string>();
  const instead = (error?: unknown) => {
    const broke: OriginFailure =
      error instanceof TooLarge ? { kind: "garbage", detail: error.message } : { kind: "unreachable" };
    const reason: Failure =
      pooled && pooled.declined.length > 0 ? { kind: "asked-back" } : { kind: "origin", failure: broke };
    const words = relayed.instead?.() ?? x.word(reason, x.body);
    own.add(words);
    return words;
  };
  const sending = send(x, { ...relayed, instead, pooled, write });
  const sent = write ? ended(write, sending) : sending;
  // In the earlier revisions the call goes on when the caller leaves; the runtime would end it.
  if (write || (x.httpMethod === "POST" && !isModern(x.body))) x.waitUntil(sent);
  const given = await sent;
  const goesOn = given.kind === "stream" && mediaType(given.response) === "text/event-stream";
  if (!goesOn) pooled?.end(!x.left().aborted && !isLate(given));
  if (x.asksIn === undefined) return given;
  const told = translatedAnswer(x, relayed.call, given, { isOwn: (words) => own.has(words), pooled });
  // Whether the origin knows the method decides on the HTTP status. A tool is streamed as it runs.
  const isTool = isObject(x.body) && x.body["method"] === "tools/call";
  return goesOn && x.asksIn === "legacy" && !isTool ? withStatus(told) : told;
}

/** The answer to a write, when everybody has been told of its end. One that is streamed tells of it itself. */
async function ended(write: Write, sending: Promise<Answer>): Promise<Answer> {
  try {
    const given = await sending;
    const isStreamed = given.kind === "stream" && mediaType(given.response) === "text/event-stream";
    if (!isStreamed || !given.response.body) await write.end(outcomeOf(given));
    return given;
  } catch (error) {
    await write.end("unknown");
    throw error;
  }
}

/** Whether the origin has not come to an end in time. */
function isLate(given: Answer): boolean {
  return given.kind === "failure" && given.failure.kind === "origin" && given.failure.failure.kind === "timeout";
}

/** How it is sent. */
interface Sending extends Relayed {
  instead: (error?: unknown) => string;
  /** The call in its pooled session, where it is made in one. */
  pooled: PooledCall | undefined;
  /** What it changes, where it does. */
  write: Write | undefined;
}

async function send(x: Exchange, { call, keeping, instead, pooled, write, unpromised }: Sending): Promise<Answer> {
  const { settings } = x.origin;
  const askedAt = x.now();
  const request =
    x.asksIn === undefined
      ? { headers: keeping ? fillHeaders(x, keeping.call) : forwardedHeaders(x), body: x.text }
      : translatedRequest(x, call);
  const sent = {
    method: x.httpMethod,
    headers: request.headers,
    ...(x.httpMethod === "POST" && { body: request.body }),
    ...(isModern(x.body) && { abandoned: x.left() }),
  };
  const bindings = x.env as unknown as Record<string, unknown>;
  const called = await (pooled ? pooled.send(sent) : callOrigin(settings, bindings, sent));
  // That a caller has left says nothing of the origin.
  if (!(sent.abandoned?.aborted && "failure" in called)) noteEnding(x, askedAt, failureOf(called));
  if ("failure" in called) return failure(called.failure);
  const { response } = called;
  const { status } = response;
  if (x.session && isGone(x, status)) {
    endSession(x);
    if (x.session.originId === undefined) {
      await response.body?.cancel();
      return { kind: "failure", failure: { kind: "session-gone" } };
    }
  }
  const outcome: CacheOutcome = { kind: "forward", why: "bypass", status };
  const sessionId = await sessionIdOf(x, response);
  const stream = (body: ReadableStream<Uint8Array> | null): Answer => ({
    kind: "stream",
    response: new Response(body, response),
    outcome,
    ...(sessionId !== undefined && { sessionId }),
  });

  // What belongs to a session of the origin's own keeps its HTTP form: there a status such as 404 has a meaning.
  const isUnwell = status >= 500 || status === 429;
  const { method, id } = { ...(isObject(x.body) && x.body), ...(pooled && { id: pooled.names.id }) } as Message;
  // An answer that opens another session is that session's.
  const opened = response.headers.get("mcp-session-id");
  const isOfSession = opened === null || opened === (pooled ? pooled.sessionId : x.session?.originId);
  const mayKeep = keeping && status === 200 && isOfSession;
  const { rights } = x;
  const isCut = rights !== undefined && typeof method === "string" && isList(method);
  const passed = (body: ReadableStream<Uint8Array>) =>
    passOn(x, body, {
      // Where two readers understand a request differently, nobody can tell what is owed to the caller; but for its id
      // where that is the replica's.
      id: (pooled || x.scan.exact || (write && isSoundId(id))) && typeof method === "string" ? id : undefined,
      cancels: x.httpMethod !== "POST" || isModern(x.body),
      heard: (event) => {
        heedNotification(x, event);
        pooled?.answer(event);
      },
      hearsAll: pooled !== undefined,
      shown: (event) => {
        const isFiltered = settings.denied && (event.includes('"tools"') || event.includes("\\u"));
        const shown = unpromised ? withoutPromise(event) : isFiltered ? shownTools(event, settings) : event;
        // On the stream of a session answers come to requests of before.
        const listed = x.httpMethod === "POST" ? String(method) : undefined;
        return rights ? shownEvent(shown, listed, (kind, name) => rights.may(kind, name)) : shown;
      },
      mustSee: rights !== undefined,
      answered: (reply) => {
        void write?.end(outcomeOfReply(reply));
        if (errorCode(reply) !== undefined) x.waitUntil(heed(x, call, reply));
        // Without what the origin wanted to know, it is no answer for others.
        else if (mayKeep && !pooled?.declined.length && isResponse(reply, id, false))
          keepReply(x, keeping, reply, askedAt);
      },
      unread: () => mayKeep && keepNothing(x, keeping, askedAt),
      instead,
      ...(write && { held: () => write.ending }),
      ended: (end) => {
        pooled?.end(end === "answered");
        // What cannot be read is an answer all the same.
        return write?.end(end === "unread" ? "applied" : "unknown");
      },
    });
  if (x.httpMethod !== "POST") {
    if (status === 401 || status === 403) return discarded(response, { kind: "refused", status });
    if (status >= 300 && status < 400) return discarded(response, { kind: "garbage", detail: "a redirect" });
    if (isUnwell) return discarded(response, { kind: "status", status });
    const isStream = status === 200 && mediaType(response) === "text/event-stream" && response.body;
    return stream(isStream ? passed(response.body!) : response.body);
  }
  const filtered = settings.denied !== undefined && method === "tools/list";
  const isSessions = x.session !== undefined && status >= 400 && status !== 401 && status !== 403 && !isUnwell;
  if ((status >= 300 && !isSessions) || (filtered && status < 300)) {
    const reply = await readReply(response, { id, maxBytes: MAX_READ_BYTES, totalMs: settings.totalMs });
    if ("tooLarge" in reply) return failure({ kind: "garbage", detail: "an answer too large to be read" });
    const own = "text" in reply ? { status: reply.status, text: reply.text } : ownWords(reply.failure);
    if (!own) return failure((reply as { failure: OriginFailure }).failure);
    await heed(x, call, own.text);
    const text = filtered ? shownTools(own.text, settings) : own.text;
    if (mayKeep && own.status === 200) keepReply(x, keeping, text, askedAt);
    const allow = response.headers.get("allow");
    const wait = retryAfterMs(response.headers.get("retry-after"), x.now());
    return {
      kind: "message",
      result: "relay",
      ...own,
      text,
      outcome,
      ...(allow !== null && { allow }),
      ...(wait !== undefined && { retryAfterMs: wait }),
    };
  }
  const type = mediaType(response);
  if (type === "text/event-stream" && response.body) return stream(passed(response.body));
  // Only what asks for nothing is answered with nothing.
  const isRequest = id !== undefined && method !== undefined;
  if (isSessions || ((status === 202 || status === 204) && !isRequest)) return stream(response.body);
  if (type !== "application/json") {
    await response.body?.cancel();
    return failure({ kind: "garbage", detail: "a body that is not MCP" });
  }
  const checkedBytes = x.asksIn === undefined && !isCut ? MAX_CHECKED_BYTES : MAX_READ_BYTES;
  const maxBytes = keeping ? Math.max(settings.entryBytes, checkedBytes) : checkedBytes;
  const some = await readSome(response, maxBytes, settings.totalMs);
  if ("failure" in some) return failure(some.failure);
  if ("rest" in some) {
    if (mayKeep) keepNothing(x, keeping, askedAt);
    return stream(bodyOf(some.begun, some.rest));
  }
  const text = textOf(some.whole);
  // Whatever that is, the caller gets what the origin sent.
  if (text === undefined) return stream(bodyOf(some.whole));
  // Whom two readers of the request understand differently, nobody can tell whether the answer is theirs.
  const isAnswer = !x.scan.exact || id === undefined || isResponse(text, id, true);
  if (!isAnswer) return failure({ kind: "garbage", detail: "no JSON-RPC response to the request" });
  await heed(x, call, text);
  if (mayKeep) keepReply(x, keeping, text, askedAt);
  return {
    kind: "message",
    result: "relay",
    status,
    text: unpromised ? withoutPromise(text) : text,
    outcome,
    ...(sessionId !== undefined && { sessionId }),
  };
}

/** Whether an id can be told in an answer, even where another number of the request cannot be told from its neighbours. */
function isSoundId(id: unknown): boolean {
  return typeof id === "string" || Number.isSafeInteger(id);
}

/** What of a message counts here. */
type Message = Partial<Record<"id" | "method", unknown>>;

/** What the origin itself said beside a 5xx or 429, where it said something in JSON-RPC. */
export function ownWords(failure: OriginFailure): { status: number; text: string; retryAfterMs?: number } | undefined {
  if (failure.kind !== "status" || failure.reply === undefined) return undefined;
  const { status, reply: text, retryAfterMs } = failure;
  return { status, text, ...(retryAfterMs !== undefined && { retryAfterMs }) };
}

/**
 * Whether the origin's status says that the session is over: 404 (basic/transports), or that it was ended. One that the
 * replica opened by itself is over as soon as the origin is back and asks for one of its own.
 */
function isGone({ session, httpMethod }: Exchange, status: number): boolean {
  if (session!.originId === undefined) return status >= 400 && status < 500 && status !== 429;
  return status === 404 || (httpMethod === "DELETE" && status < 300);
}

/** The caller's id for the session that the response belongs to. The origin's own stays here. */
async function sessionIdOf(x: Exchange, response: Response): Promise<string | undefined> {
  const originId = response.headers.get("mcp-session-id");
  if (originId === null) return undefined;
  if (originId === x.session?.originId) return x.sessionId;
  const { method, params } = isObject(x.body) ? x.body : {};
  if (method !== "initialize" || !isObject(params)) return undefined;
  const { protocolVersion, capabilities } = params;
  return sealSession(x, {
    originId,
    version: LEGACY_VERSIONS.find((version) => version === protocolVersion) ?? "",
    // Of two members of one name, the origin may have taken the other.
    capabilities: !x.scan.exact ? undefined : isObject(capabilities) ? capabilities : {},
  });
}

function textOf(chunks: readonly Uint8Array[]): string | undefined {
  const decoder = new Utf8();
  try {
    return chunks.map((chunk) => decoder.decode(chunk)).join("") + decoder.end();
  } catch (error) {
    if (error instanceof NotUtf8) return undefined;
    throw error;
  }
}

async function discarded(response: Response, reason: OriginFailure): Promise<Answer> {
  await response.body?.cancel();
  return failure(reason);
}

function failure(reason: OriginFailure): Answer {
  return { kind: "failure", failure: { kind: "origin", failure: reason } };
}
