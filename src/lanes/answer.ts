import type { Entry } from "../cache/entry.ts";
import { ageMs, freshness } from "../cache/freshness.ts";
import { tell } from "../cache/tell.ts";
import { policyOf } from "../config/policy.ts";
import { isModern } from "../mcp/envelope.ts";
import { isObject } from "../mcp/isObject.ts";
import { ladder, misshapen, paramMismatch, type Rejection } from "../mcp/ladder.ts";
import { CODE } from "../mcp/names.ts";
import { recognise, type Call } from "../mcp/recognise.ts";
import type { Session } from "../mcp/Session.ts";
import type { Era } from "../mcp/versions.ts";
import { withId } from "../mcp/withId.ts";
import { statusOf } from "../origin/failure.ts";
import { batch } from "./batch.ts";
import { directivesOf, type Asked } from "./directives.ts";
import type { Answer, Eras, Exchange, Failure } from "./Exchange.ts";
import { initialize, opening } from "./initialize.ts";
import { listen } from "./listen.ts";
import { local } from "./local.ts";
import { erasOf, lacks } from "./eras.ts";
import { learnEras, lookAfterSurface, storeInitialize } from "./lookAfter.ts";
import { obtain, type Obtained } from "./obtain.ts";
import { ownWords, relay } from "./relay.ts";
import { mayStandIn } from "./mayStandIn.ts";
import { contradictsParams } from "./params.ts";
import { BRIEF_MS, refreshCatalogue, ruleFor } from "./ruleFor.ts";
import { initializeAsDiscover } from "./surface.ts";
import { translatedAnswer } from "./translate.ts";
import { keptForOutages } from "./keepReply.ts";
import { endSession, openSession } from "./sessions.ts";

/** Answers a request: the lanes in the order in which they are tried. At once where memory has the answer. */
export function answer(x: Exchange): Answer | Promise<Answer> {
  const sessionId = x.headers.get("mcp-session-id");
  // The modern revision knows no sessions, and passes over the header (basic/transports).
  if (sessionId === null || isModern(x.body)) return lanes(x);
  const within = (session: Session | undefined) =>
    session ? lanes({ ...x, session, sessionId }) : ({ kind: "failure", failure: { kind: "session-gone" } } as const);
  const session = openSession(x, sessionId);
  return session instanceof Promise ? session.then(within) : within(session);
}

function lanes(x: Exchange): Answer | Promise<Answer> {
  if (x.httpMethod !== "POST") return beyondPost(x);
  if (Array.isArray(x.body)) return batch(x, lanes);
  const call = x.scan.exact ? recognise(x.body, x.headers, x.replica.ignoreMeta, x.session) : undefined;
  const wrong = call ? undefined : misshapen(x.body);
  if (wrong) return { kind: "failure", failure: { kind: "rejected", ...wrong } };
  const denied = denial(x);
  if (denied) return { kind: "failure", failure: denied };
  if (!x.replica.enabled) return relay(x);
  return call ? answerCall(x, call) : answerOther(x);
}

/** GET and DELETE: the stream of a session, and its end. */
function beyondPost(x: Exchange): Answer | Promise<Answer> {
  if (x.session?.originId !== undefined) return relay(x);
  // The replica opened this one by itself: there is nobody to stream from.
  if (x.httpMethod !== "DELETE") return { kind: "failure", failure: { kind: "method-not-allowed" } };
  endSession(x, x.sessionId!);
  return { kind: "accepted" };
}

/** Answers what is not recognised: opens connections, answers by itself, or leaves it to the origin. */
async function answerOther(x: Exchange): Promise<Answer> {
  const opens = opening(x);
  if (opens) return lookedAfter(x, await initialize(x, opens));
  const y = x.session ? x : inEraOf(x, isModern(x.body) ? "modern" : "legacy", await erasOf(x));
  // An origin of the earlier revisions cannot judge what it is not told.
  const wrong = y.asksIn === "legacy" ? ladder(y.body, y.headers) : undefined;
  if (wrong) return { kind: "failure", failure: { kind: "rejected", ...wrong } };
  const own = listen(y) ?? local(y);
  return own ?? lookedAfter(y, await direct(y, undefined, directivesOf(y, undefined)));
}

/** Answers a recognised call. */
function answerCall(x: Exchange, call: Call): Answer | Promise<Answer> {
  if (x.session) return answerInEra(x, call);
  const eras = erasOf(x);
  const within = (known: Eras) => answerInEra(inEraOf(x, call.era, known), call);
  return eras instanceof Promise ? eras.then(within) : within(eras);
}

/** Answers a call from the cache where a rule allows it. */
function answerInEra(x: Exchange, call: Call): Answer | Promise<Answer> {
  if (x.asksIn === "legacy" && call.method === "server/discover") return discoverOfLegacy(x, call);
  const asked = directivesOf(x, call);
  const rule = ruleFor(x, call, asked);
  const isKnown = rule !== undefined && !(rule instanceof Promise);
  const obtained = isKnown ? obtain(x, call, rule, asked) : undefined;
  if (obtained && "kind" in obtained && obtained.kind === "entry") return fromEntry(x, call, obtained);
  const later = async () => {
    const allowed = await rule;
    if (!allowed) return lookedAfter(x, await direct(x, call, asked));
    return lookedAfter(x, await cached(x, call, await (obtained ?? obtain(x, call, allowed, asked))));
  };
  return later();
}

/** Where something has come from the origin, it is there to be asked for the rest. */
function lookedAfter(x: Exchange, given: Answer): Answer {
  const isFresh = given.kind === "message" && (given.result === "miss" || given.result === "relay");
  if (isFresh || given.kind === "stream") lookAfterSurface(x);
  return given;
}

function fromEntry(x: Exchange, call: Call, { entry, word, outcome }: Extract<Obtained, { kind: "entry" }>): Answer {
  const now = x.now();
  const text = tell(entry, { era: call.era, id: call.id, status: word, hints: call.shape.hints, now });
  return { kind: "message", result: word, status: 200, text, outcome, ageMs: ageMs(entry, now) };
}

/** The hit, fill and stale-if-error lanes, for a call that may be cached. */
async function cached(x: Exchange, call: Call, obtained: Obtained): Promise<Answer> {
  switch (obtained.kind) {
    case "entry":
      return fromEntry(x, call, obtained);
    case "reply": {
      const { text, outcome } = obtained;
      const given = { kind: "message", result: "miss", status: obtained.status, text, outcome } as const;
      const told = x.asksIn === undefined ? given : translatedAnswer(x, call, given);
      if (told.kind !== "message") return told;
      // Refused: an origin of the earlier revisions, perhaps. Whether it can stand for a modern one, its other answers say.
      const instead =
        call.method === "server/discover" && told.status >= 300 ? await discoverRefused(x, call) : undefined;
      return instead ?? { ...told, text: withId(told.text, call.id) };
    }
    case "relay": {
      const { keep, previous } = obtained;
      const own = previous && freshness(previous, x.now()) !== "expired" ? previous : undefined;
      const given = await relay(x, {
        call,
        keeping: keep && { call, ...keep, previous },
        instead: own && (() => standIn(x, call, own, undefined).text),
      });
      const failed = failureIn(call, given);
      if (!failed) return given;
      const usable = own ?? (keep && (await keptForOutages(x, call, keep.rule)));
      if (usable) return standIn(x, call, usable, failed.status);
      return (call.method === "server/discover" ? await discoverOffline(x, call) : undefined) ?? given;
    }
    case "failure":
      return (
        (call.method === "server/discover" ? await discoverOffline(x, call) : undefined) ?? origins(obtained, call)
      );
  }
}

/** The relay lane, for everything that may not be cached or is not perfectly formed. */
async function direct(x: Exchange, call: Call | undefined, asked: Asked): Promise<Answer> {
  if (asked.onlyCached) return { kind: "failure", failure: { kind: "not-cached" } };
  // Which arguments a modern origin wants mirrored in headers, its list says.
  if (x.asksIn === "modern" && call?.method === "tools/call") await refreshCatalogue(x, call, asked, BRIEF_MS);
  // Nor can such an origin judge whether headers say what the arguments say.
  if (x.asksIn === "legacy" && call && contradictsParams(x, call)) {
    return { kind: "failure", failure: { kind: "rejected", ...paramMismatch() } };
  }
  const given = await relay(x, { call });
  // Where the origin cannot say what is wrong with a request, the replica does: waiting for the origin would not mend it.
  const wrong = given.kind === "failure" && given.failure.kind === "origin" ? wrongWith(x, call) : undefined;
  return wrong ? { kind: "failure", failure: { kind: "rejected", ...wrong } } : given;
}

function wrongWith(x: Exchange, call: Call | undefined): Rejection | undefined {
  return ladder(x.body, x.headers) ?? (call && contradictsParams(x, call) ? paramMismatch() : undefined);
}

/** A failure in the origin's own words, where it had any. */
function origins(failed: Extract<Answer, { kind: "failure" }>, call: Call): Answer {
  const own = failed.failure.kind === "origin" ? ownWords(failed.failure.failure) : undefined;
  return own ? { kind: "message", result: "relay", ...own, text: withId(own.text, call.id) } : failed;
}

/** The era in which an origin with these eras is asked for a caller. */
function inEraOf(x: Exchange, era: Era, eras: Eras): Exchange {
  if (era === "legacy") return lacks(eras, "legacy") ? { ...x, asksIn: "modern" } : x;
  // Sessions are a client's own: where the origin wants them, a client that can initialize does better by itself.
  return lacks(eras, "modern") && eras.legacy === "stateless" ? { ...x, asksIn: "legacy" } : x;
}

/** What a legacy origin is, as a discover answer: made of its answer to `initialize`. */
async function discoverOfLegacy(x: Exchange, call: Call): Promise<Answer> {
  await storeInitialize(x);
  const entry = await initializeAsDiscover(x);
  if (!entry) return legacyOnly();
  return fromEntry(x, call, { kind: "entry", entry, word: "hit", outcome: { kind: "hit", ttlMs: 0 } });
}

/** After the origin has refused to say what it is in the modern revision: what it says in the earlier ones. */
async function discoverRefused(x: Exchange, call: Call): Promise<Answer | undefined> {
  await learnEras(x);
  const eras = await erasOf(x);
  if (!lacks(eras, "modern")) return undefined;
  return eras.legacy === "stateless" ? discoverOfLegacy({ ...x, asksIn: "legacy" }, call) : legacyOnly();
}

/** A client that knows both eras takes this as a sign to initialize. */
function legacyOnly(): Answer {
  const message = "Method not found: the origin speaks the initialize-based revisions only";
  return {
    kind: "failure",
    failure: { kind: "rejected", status: 404, code: CODE.methodNotFound, reason: "method-registry", message },
  };
}

/** A modern client never falls back to another era because of an outage, nor stays with one that the origin lacks. */
async function discoverOffline(x: Exchange, call: Call): Promise<Answer | undefined> {
  const entry = await initializeAsDiscover(x);
  if (!entry) return undefined;
  const eras = await erasOf(x);
  if (lacks(eras, "modern") && eras.legacy !== "stateless") return legacyOnly();
  return standIn(x, call, entry, undefined);
}

/** Whether a relay failed in a way that an old answer may stand in for, and the origin's status where it gave one. */
function failureIn(call: Call, given: Answer): { status: number | undefined } | undefined {
  if (given.kind === "failure") {
    const { failure } = given;
    return failure.kind === "origin" && mayStandIn(call, failure.failure)
      ? { status: statusOf(failure.failure) }
      : undefined;
  }
  if (given.kind === "message" && (given.status >= 500 || given.status === 429)) return { status: given.status };
  return undefined;
}

/** An old answer in place of one that the origin failed to give. */
function standIn(
  x: Exchange,
  call: Call,
  entry: Entry,
  status: number | undefined,
): Extract<Answer, { kind: "message" }> {
  const now = x.now();
  const age = ageMs(entry, now);
  const text = tell(entry, { era: call.era, id: call.id, status: "stale", hints: call.shape.hints, now });
  const outcome = {
    kind: "stale-if-error",
    ttlMs: entry.ttlMs - age,
    ...(status !== undefined && { status }),
  } as const;
  return { kind: "message", result: "stale", status: 200, text, outcome, ageMs: age };
}

/** Why the operator's `deny` keeps a request from the origin, however it is formed. */
function denial(x: Exchange): Failure | undefined {
  if (x.origin.settings.denied === undefined) return undefined;
  if (x.scan.duplicates) {
    // Which of two names the origin would take is not for us to guess.
    const message = "The message has two keys of one name";
    return { kind: "rejected", status: 400, code: CODE.invalidRequest, reason: "duplicate-keys", message };
  }
  const { method, params } = x.body as { method: unknown; params?: unknown };
  const name = method === "tools/call" && isObject(params) ? params["name"] : undefined;
  if (typeof name !== "string" || policyOf(x.origin, "tools/call", name).kind !== "deny") return undefined;
  return { kind: "denied", tool: name };
}
