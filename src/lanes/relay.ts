import type { Berth } from "../access/InFlight.ts";
import type { CacheOutcome } from "../cache/cacheStatus.ts";
import { isModern } from "../mcp/envelope.ts";
import { errorCode } from "../mcp/errorCode.ts";
import { isObject } from "../mcp/isObject.ts";
import { isList } from "../mcp/methods.ts";
import type { Call } from "../mcp/recognise.ts";
import { shownEvent } from "../mcp/shownReply.ts";
import { withoutPromise } from "../mcp/withoutPromise.ts";
import { NotUtf8, Utf8 } from "../mcp/Utf8.ts";
import { bodyOf } from "../origin/bodyOf.ts";
import { callOrigin, failureOf } from "../origin/callOrigin.ts";
import { edited, edits, editsTools, shownTools } from "../origin/edited.ts";
import { endingWith } from "../origin/endingWith.ts";
import type { OriginFailure } from "../origin/failure.ts";
import { Meter } from "../origin/Meter.ts";
import type { PooledCall } from "../origin/PooledCall.ts";
import { isResponse, mediaType, readReply } from "../origin/readReply.ts";
import { retryAfterMs } from "../origin/retryAfter.ts";
import { readSome } from "../origin/readSome.ts";
import { TooLarge } from "../origin/TooLarge.ts";
import { DUPLICATE_KEYS } from "./duplicateKeys.ts";
import { berthFor, FREE } from "./berth.ts";
import { boundsIn } from "./boundsOf.ts";
import type { Answer, Exchange, Failure } from "./Exchange.ts";
import { fillHeaders } from "./fillHeaders.ts";
import { forwardedHeaders } from "./forwardedHeaders.ts";
import { heed } from "./heed.ts";
import { heedNotification } from "./heedChange.ts";
import { keepNothing, keepReply, type Keeping } from "./keepReply.ts";
import { noteEnding } from "./noteHealth.ts";
import { lapse } from "./lapse.ts";
import { mayAsk } from "./mayAsk.ts";
import { outcomeOf, outcomeOfReply } from "./outcomeOf.ts";
import { overOriginLimit } from "./overLimit.ts";
import { abandonedBy, giveUp } from "./giveUp.ts";
import { isGone, sessionIdOf } from "./relayedSession.ts";
import { ownWords } from "./ownWords.ts";
import { passOn } from "./passOn.ts";
import { isPooled, pooledCall } from "./pool.ts";
import { translatedAnswer, translatedRequest } from "./translate.ts";
import { endSession } from "./sessions.ts";
import { unsupportedKey } from "./unsupportedKey.ts";
import { withStatus } from "./withStatus.ts";
import { isShownTo } from "./withinRights.ts";
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
  // In a session of several, a message is told apart by its id.
  const refused = isPooled(x) && x.scan.duplicates ? DUPLICATE_KEYS : unsupportedKey(x);
  if (refused) return { kind: "failure", failure: refused };
  const bounds = boundsIn(x.origin, x.body);
  const barrier = await mayAsk(x, bounds, relayed.instead === undefined);
  if (barrier) return failure(barrier);
  const berth = berthFor(x, { goesOn: goesOnAlone(x) || x.origin.hasWrites });
  if ("failure" in berth) return failure(berth.failure);
  const meter = bounds?.budget && new Meter(bounds.budget);
  let given: Answer | undefined;
  try {
    // What there is no place for is not counted.
    const limited = await overOriginLimit(x);
    if (limited) return failure(limited);
    given = await relayWithin(x, relayed, { berth, meter });
  } finally {
    // A stream tells of its end itself.
    if (given?.kind !== "stream") {
      berth.leave();
      meter?.stop();
    }
  }
  return given;
}

/** Whether a call goes on for its own sake when its caller leaves: in the earlier revisions that is no cancellation. */
function goesOnAlone({ httpMethod, body }: Exchange): boolean {
  return httpMethod === "POST" && !isModern(body);
}

/** What bounds a call. */
interface Bounds {
  berth: Berth;
  /** Measures the answer, where it has a budget. */
  meter: Meter | undefined;
}

async function relayWithin(x: Exchange, relayed: Relayed, { berth, meter }: Bounds): Promise<Answer> {
  const isShared = isPooled(x);
  const pooled = isShared ? await pooledCall(x) : undefined;
  const write = writeOf(x);
  if (write && !(await write.announce())) return { kind: "failure", failure: { kind: "not-announced" } };
  // What the replica says itself is in the caller's words already.
  const own = new Set<string>();
  const instead = (error?: unknown) => {
    const broke: OriginFailure =
      error instanceof TooLarge ? { kind: "garbage", detail: error.message } : { kind: "unreachable" };
    const hasAsked = pooled && pooled.declined.length > 0;
    const reason: Failure = hasAsked ? { kind: "asked-back" } : { kind: "origin", failure: broke };
    // An old answer is none to a call that costs too much.
    const words = meter?.over
      ? x.word({ kind: "origin", failure: meter.over }, x.body)
      : (relayed.instead?.() ?? x.word(reason, x.body));
    own.add(words);
    return words;
  };
  const sending = send(x, { ...relayed, instead, pooled, write, berth, meter });
  const sent = write ? ended(write, sending) : sending;
  // In the earlier revisions the call goes on when the caller leaves; the runtime would end it.
  if (write || goesOnAlone(x)) x.waitUntil(sent);
  const came = await sent;
  const given = meter?.over && came.kind === "failure" ? failure(meter.over) : came;
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

/** Whether the origin has not come to an end, in time or within the budget. */
function isLate(given: Answer): boolean {
  if (given.kind !== "failure" || given.failure.kind !== "origin") return false;
  const { kind } = given.failure.failure;
  return kind === "timeout" || kind === "over-budget";
}

/** How it is sent. */
interface Sending extends Relayed, Bounds {
  instead: (error?: unknown) => string;
  /** The call in its pooled session, where it is made in one. */
  pooled: PooledCall | undefined;
  /** What it changes, where it does. */
  write: Write | undefined;
}

async function send(x: Exchange, sending: Sending): Promise<Answer> {
  const { call, keeping, instead, pooled, write, unpromised, berth, meter } = sending;
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
    ...abandonedBy([
      ...(isModern(x.body) ? [x.left()] : []),
      ...(meter ? [meter.signal] : []),
      ...(x.httpMethod === "GET" ? lapse(x) : []),
    ]),
  };
  const bindings = x.env as unknown as Record<string, unknown>;
  meter?.signal.addEventListener("abort", () => giveUp(x, bindings));
  const called = await (pooled ? pooled.send(sent) : callOrigin(settings, bindings, sent));
  // That a caller has left says nothing of the origin.
  if (!(sent.abandoned?.aborted && "failure" in called)) noteEnding(x, askedAt, failureOf(called));
  if ("failure" in called) return failure(called.failure);
  const response = meter?.measured(called.response) ?? called.response;
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
  const streamed = (body: ReadableStream<Uint8Array> | null): Answer => ({
    kind: "stream",
    response: new Response(body, response),
    outcome,
    ...(sessionId !== undefined && { sessionId }),
  });
  const stream = (body: ReadableStream<Uint8Array> | null): Answer => {
    if (!body) berth.leave();
    return streamed(body && berth !== FREE ? endingWith(body, berth.leave) : body);
  };

  // What belongs to a session of the origin's own keeps its HTTP form: there a status such as 404 has a meaning.
  const isUnwell = status >= 500 || status === 429;
  const { method, id } = { ...(isObject(x.body) && x.body), ...(pooled && { id: pooled.names.id }) } as Message;
  // An answer that opens another session is that session's.
  const opened = response.headers.get("mcp-session-id");
  const isOfSession = opened === null || opened === (pooled ? pooled.sessionId : x.session?.originId);
  const mayKeep = keeping && status === 200 && isOfSession;
  const { rights } = x;
  // What is cut, or told as private, has to be read for that.
  const isRetold =
    rights !== undefined && typeof method === "string" && (isList(method) || method === "resources/read");
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
        const isFiltered = editsTools(settings) && (event.includes('"tools"') || event.includes("\\u"));
        const shown = unpromised ? withoutPromise(event) : isFiltered ? shownTools(event, settings) : event;
        // On the stream of a session answers come to requests of before.
        const listed = x.httpMethod === "POST" ? String(method) : undefined;
        return rights ? shownEvent(shown, listed, isShownTo(x, rights)) : shown;
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
      ...(meter && { isOver: () => meter.over !== undefined }),
      ...(write && { held: () => write.ending }),
      ended: (end) => {
        berth.leave();
        meter?.stop();
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
    return isStream ? streamed(passed(response.body!)) : stream(response.body);
  }
  const filtered = edits(settings, method);
  const isSessions = x.session !== undefined && status >= 400 && status !== 401 && status !== 403 && !isUnwell;
  if ((status >= 300 && !isSessions) || (filtered && status < 300)) {
    const reply = await readReply(response, { id, maxBytes: MAX_READ_BYTES, totalMs: settings.totalMs });
    if ("tooLarge" in reply) return failure({ kind: "garbage", detail: "an answer too large to be read" });
    const own = "text" in reply ? { status: reply.status, text: reply.text } : ownWords(reply.failure);
    if (!own) return failure((reply as { failure: OriginFailure }).failure);
    await heed(x, call, own.text);
    const text = filtered ? edited(own.text, method, settings) : own.text;
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
  if (type === "text/event-stream" && response.body) return streamed(passed(response.body));
  // Only what asks for nothing is answered with nothing.
  const isRequest = id !== undefined && method !== undefined;
  if (isSessions || ((status === 202 || status === 204) && !isRequest)) return stream(response.body);
  if (type !== "application/json") {
    await response.body?.cancel();
    return failure({ kind: "garbage", detail: "a body that is not MCP" });
  }
  // With a budget nothing goes on before it is known to be within it.
  const checkedBytes = x.asksIn === undefined && !isRetold && !meter ? MAX_CHECKED_BYTES : MAX_READ_BYTES;
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
