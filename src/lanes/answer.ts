import { policyOf } from "../config/policy.ts";
import type { CacheRule } from "../config/replica.ts";
import { eraClaimed, isModern } from "../mcp/envelope.ts";
import { isEquivocal } from "../mcp/equivocal.ts";
import { endsSession } from "../mcp/endsSession.ts";
import { isLegacyWord } from "../mcp/eraWords.ts";
import { errorCode } from "../mcp/errorCode.ts";
import { isObject } from "../mcp/isObject.ts";
import { ladder, misshapen, paramMismatch, type Rejection } from "../mcp/ladder.ts";
import { recognise, type Call } from "../mcp/recognise.ts";
import type { Session } from "../mcp/Session.ts";
import { MODERN_VERSION, type Era } from "../mcp/versions.ts";
import { withId } from "../mcp/withId.ts";
import { statusOf } from "../origin/failure.ts";
import { batch } from "./batch.ts";
import { directivesOf, ONLY_CACHED, type Asked } from "./directives.ts";
import { discoverOffline, discoverOfLegacy, discoverRefused, learnAnew, mayBeRefusal } from "./discover.ts";
import type { Answer, Eras, Exchange, Failure } from "./Exchange.ts";
import { DUPLICATE_KEYS } from "./duplicateKeys.ts";
import { forbidden, invalid } from "./forbidden.ts";
import { fromEntry, standIn, standInText } from "./fromEntry.ts";
import { initialize, opening } from "./initialize.ts";
import { inEraOf } from "./inEraOf.ts";
import { inStep } from "./inStep.ts";
import { listen } from "./listen.ts";
import { listsOthers } from "./listsOthers.ts";
import { local } from "./local.ts";
import { erasOf, knownEras, lacks, wantsSessions } from "./eras.ts";
import { learnEras, lookAfterSurface, lookAgain } from "./lookAfter.ts";
import { operations } from "./operations.ts";
import { obtain, type Obtained } from "./obtain.ts";
import { throughOutbox } from "./outbox.ts";
import { overToolLimit } from "./overLimit.ts";
import { ownWords } from "./ownWords.ts";
import { relay } from "./relay.ts";
import { isRefusedHere, mayStandIn } from "./mayStandIn.ts";
import { catalogueOf } from "./learn.ts";
import { aimOf, hasOwnCursor, mirror } from "./mirror.ts";
import type { Mirrored } from "./Mirrored.ts";
import { misfit } from "./misfit.ts";
import { contradictsParams, headersAgree } from "./params.ts";
import { BRIEF_MS, refreshCatalogue, ruleFor } from "./ruleFor.ts";
import { translatedAnswer } from "./translate.ts";
import { keptForOutages } from "./keepReply.ts";
import { bootstrapCall } from "./surface.ts";
import { endSession, openSession } from "./sessions.ts";
import { withinRights } from "./withinRights.ts";

/** Answers a request: the lanes in the order in which they are tried. At once where memory has the answer. */
export function answer(x: Exchange): Answer | Promise<Answer> {
  const refused = x.rights && forbidden(x, x.rights);
  if (refused) return { kind: "failure", failure: refused };
  const joining = x.arrivedAt < x.feed.dueAt ? undefined : inStep(x, x.arrivedAt);
  return joining ? joining.then(() => answerNow(x)) : answerNow(x);
}

function answerNow(x: Exchange): Answer | Promise<Answer> {
  // The modern revision knows no sessions, and passes over the header (basic/transports).
  const sessionId = isModern(x.body) ? null : x.headers.get("mcp-session-id");
  if (sessionId === null) return lanes(x);
  const within = (session: Session | undefined) =>
    session ? lanes({ ...x, session, sessionId }) : ({ kind: "failure", failure: { kind: "session-gone" } } as const);
  const session = openSession(x, sessionId);
  return session instanceof Promise ? session.then(within) : within(session);
}

function lanes(x: Exchange): Answer | Promise<Answer> {
  const { rights } = x;
  const given = Array.isArray(x.body) ? batch(x, oneOfBatch) : lanesOf(x);
  if (rights === undefined) return given;
  const seen = (answered: Answer) => withinRights(x, rights, answered);
  return given instanceof Promise ? given.then(seen) : seen(given);
}

/** A message among others, which are not refused with it. */
function oneOfBatch(x: Exchange): Answer | Promise<Answer> {
  const refused = x.rights && forbidden(x, x.rights);
  return refused ? { kind: "failure", failure: refused } : lanes(x);
}

function lanesOf(x: Exchange): Answer | Promise<Answer> {
  if (x.httpMethod !== "POST") return beyondPost(x);
  const call = x.scan.exact ? recognise(x.body, x.headers, x.replica.ignoreMeta, x.session) : undefined;
  const wrong = call ? undefined : misshapen(x.body);
  if (wrong) return { kind: "failure", failure: { kind: "rejected", ...wrong } };
  const denied = denial(x);
  if (denied) return { kind: "failure", failure: denied };
  const own = x.origin.outbox && operations(x, () => withinLimits(x, call));
  if (own) return own;
  const limiting = overToolLimit(x);
  if (!limiting) return withinLimits(x, call);
  return limiting.then((failure) => (failure ? { kind: "failure", failure } : withinLimits(x, call)));
}

function withinLimits(x: Exchange, call: Call | undefined): Answer | Promise<Answer> {
  const sent = x.origin.outbox && throughOutbox(x, x.origin.outbox);
  if (sent) return sent;
  if (!x.replica.enabled) return relay(x);
  return call ? answerCall(x, call) : answerOther(x);
}

/** GET and DELETE: the stream of a session, and its end. */
function beyondPost(x: Exchange): Answer | Promise<Answer> {
  if (x.session?.originId !== undefined) return relay(x);
  // The replica opened this one by itself: there is nobody to stream from.
  if (x.httpMethod !== "DELETE") return { kind: "failure", failure: { kind: "method-not-allowed" } };
  endSession(x);
  return { kind: "accepted" };
}

/** Answers what is not recognised: opens connections, answers by itself, or leaves it to the origin. */
async function answerOther(x: Exchange): Promise<Answer> {
  const opens = opening(x);
  if (opens) return lookedAfter(x, await initialize(x, opens));
  if (x.session) return answerOtherInEra(x);
  const era = eraClaimed(x.body, x.headers);
  const eras = await erasOf(x);
  const given = await answerOtherInEra(inEraOf(x, era, eras));
  const translated = await afterRefusal(x, era, eras, given);
  return translated ? answerOtherInEra(translated) : given;
}

async function answerOtherInEra(x: Exchange): Promise<Answer> {
  // An origin of the earlier revisions cannot judge what it does not know.
  const isForeign =
    x.session === undefined && eraClaimed(x.body, x.headers) === "modern" && lacks(knownEras(x), "modern");
  const wrong = isForeign ? ladder(x.body, x.headers) : undefined;
  if (wrong) return { kind: "failure", failure: { kind: "rejected", ...wrong } };
  const own = listen(x) ?? local(x, isForeign) ?? (isForeign ? foreign(x) : undefined);
  return own ?? lookedAfter(x, await direct(x, undefined, directivesOf(x, undefined)));
}

/** What of a modern request, however unusual, is not for an origin of the earlier revisions to answer. */
function foreign(x: Exchange): Answer | Promise<Answer> | undefined {
  const { id, method } = x.body as { id: string | number; method: string };
  if (method === "server/discover") return discoverOfLegacy(x, { ...bootstrapCall(method, MODERN_VERSION), id });
  return x.asksIn === undefined && wantsSessions(knownEras(x)) ? sessionWanted(x) : undefined;
}

function sessionWanted(x: Exchange): Answer {
  // Whether it still does, is asked now and then.
  lookAfterSurface(x);
  return { kind: "failure", failure: { kind: "session-wanted" } };
}

/** Answers a recognised call. */
function answerCall(x: Exchange, call: Call): Answer | Promise<Answer> {
  if (x.session) return answerInEra(x, call);
  const eras = erasOf(x);
  const within = (known: Eras) => {
    const given = answerInEra(inEraOf(x, call.era, known), call, known);
    // Once it is known what the origin speaks, there is nothing more to look at.
    if (call.era === "legacy" || known.modern !== undefined) return given;
    const again = async () => {
      const first = await given;
      const translated = await afterRefusal(x, call.era, known, first);
      return translated ? answerInEra(translated, call, knownEras(x)) : first;
    };
    return again();
  };
  return eras instanceof Promise ? eras.then(within) : within(eras);
}

/**
 * After an origin of which nothing is known has refused a modern request as a bad one, or in words that are none of
 * MCP's: what it speaks. The request, to be asked in the other era, where that is one that the caller can be translated to.
 */
async function afterRefusal(x: Exchange, era: Era, known: Eras, given: Answer): Promise<Exchange | undefined> {
  if (era === "legacy" || known.modern !== undefined) return undefined;
  if (given.kind === "message" && given.status === 400 && isLegacyWord(given.text)) await learnEras(x);
  else if (given.kind === "failure" && mayBeRefusal(x, given.failure)) await learnAnew(x, x.now());
  else return undefined;
  const translated = inEraOf(x, era, await erasOf(x));
  return translated.asksIn === undefined ? undefined : translated;
}

/** Answers a call from the cache where a rule allows it. */
function answerInEra(x: Exchange, asking: Call, known?: Eras): Answer | Promise<Answer> {
  // Who is translated is asked for with nothing declared, so that the answer is everybody's.
  const call = x.asksIn === undefined ? asking : { ...asking, capabilities: {} };
  if (call.method === "server/discover" && lacks(knownEras(x), "modern")) return discoverOfLegacy(x, call);
  // Without a session such an origin could only misunderstand it. What is kept for everybody, it need not be asked for.
  const isCachedOnly = known !== undefined && call.era === "modern" && x.asksIn === undefined && wantsSessions(known);
  const asked = isCachedOnly ? ONLY_CACHED : directivesOf(x, call);
  const rule = ruleFor(x, call, asked);
  const isKnown = rule !== undefined && !(rule instanceof Promise);
  const obtained = isKnown ? obtain(x, call, rule, asked, false) : undefined;
  if (obtained && "kind" in obtained && obtained.kind === "entry") return fromEntry(x, call, obtained);
  const later = async () => {
    const allowed = await rule;
    const given = allowed
      ? await cached(x, call, allowed, await (obtained ?? obtain(x, call, allowed, asked, false)))
      : await direct(x, call, asked);
    const isWanted = isCachedOnly && given.kind === "failure" && given.failure.kind !== "pending-writes";
    return isWanted ? sessionWanted(x) : lookedAfter(x, given);
  };
  return later();
}

/** Where something has come from the origin, it is there to be asked for the rest. */
function lookedAfter(x: Exchange, given: Answer): Answer {
  if (x.asksIn === "legacy" && knownEras(x).legacy === "stateless" && mayWantSession(x, given)) lookAgain(x);
  const isFresh = given.kind === "message" && (given.result === "miss" || given.result === "relay");
  if (isFresh || given.kind === "stream") lookAfterSurface(x);
  return given;
}

/** Whether the origin has refused what came in no session as if it wanted one: with such a status, and no error of the request's own. */
function mayWantSession({ body }: Exchange, given: Answer): boolean {
  const { id } = body as { id: string | number };
  if (given.kind === "message") {
    const { outcome, text } = given;
    return outcome?.kind === "forward" && endsSession(outcome.status ?? 200, text, id) !== "no";
  }
  if (given.kind !== "failure" || given.failure.kind !== "origin") return false;
  const { failure } = given.failure;
  return failure.kind === "garbage" && endsSession(failure.status ?? 200, "", id) !== "no";
}

/** The hit, fill and stale-if-error lanes, for a call that may be cached. */
async function cached(x: Exchange, call: Call, { strict: isStrict }: CacheRule, obtained: Obtained): Promise<Answer> {
  switch (obtained.kind) {
    case "entry":
      return fromEntry(x, call, obtained);
    case "reply": {
      const { text, outcome, declined } = obtained;
      const given = { kind: "message", result: "miss", status: obtained.status, text, outcome } as const;
      const told = x.asksIn === undefined ? given : translatedAnswer(x, call, given, { declined });
      if (told.kind !== "message") return told;
      // Refused: an origin of the earlier revisions, perhaps. Whether it can stand for a modern one, its other answers say.
      const instead = isRefused(call, told) ? await discoverRefused(x, call, told.text) : undefined;
      return instead ?? { ...told, text: withId(told.text, call.id) };
    }
    case "relay": {
      const { keep, previous, usable: own, isBlind } = obtained;
      const given = await relay(x, {
        call,
        keeping: keep && { call, ...keep, previous, position: x.feed.position },
        instead: own && (() => standInText(x, call, own)),
        unpromised: isStrict && call.shape.hints,
      });
      const failed = failureIn(call, given);
      // In the caller's own words it may have been refused for them: the replica asks in its own.
      if (!failed && given.kind === "message" && isRefused(call, given)) {
        await learnEras(x);
        return (await discoverRefused(x, call, given.text)) ?? given;
      }
      if (!failed) return given;
      if (isBlind)
        return failed.isRefusedHere ? given : { kind: "failure", failure: { kind: "consistency-unavailable" } };
      const usable = own ?? (keep && (await keptForOutages(x, call, keep.rule)));
      if (usable) return standIn(x, call, usable, failed.status);
      return (call.method === "server/discover" ? await discoverOffline(x, call) : undefined) ?? given;
    }
    case "failure": {
      if (call.method !== "server/discover") return origins(obtained, call);
      const instead = mayBeRefusal(x, obtained.failure) ? await discoverRefused(x, call) : undefined;
      return instead ?? (await discoverOffline(x, call)) ?? origins(obtained, call);
    }
  }
}

/** The mirror and the relay lane, for everything that may not be cached or is not perfectly formed. */
async function direct(x: Exchange, call: Call | undefined, asked: Asked): Promise<Answer> {
  const mirrored = call && (await mirroredOf(x, call, asked));
  if (mirrored?.kind === "failure") return mirrored;
  if (mirrored?.isGiven) return fromEntry(x, call!, mirrored);
  if (hasOwnCursor(x.origin, x.body)) return { kind: "failure", failure: { kind: "cursor-gone" } };
  if (asked.onlyCached) return { kind: "failure", failure: { kind: "not-cached" } };
  const old = mirrored?.entry;
  // Which arguments a modern origin wants mirrored in headers, its list says.
  if (x.asksIn === "modern" && call?.method === "tools/call") await refreshCatalogue(x, call, asked, BRIEF_MS);
  // Nor can such an origin judge whether headers say what the arguments say.
  if (x.asksIn === "legacy" && contradictsParams(x)) {
    return { kind: "failure", failure: { kind: "rejected", ...paramMismatch() } };
  }
  // A request that is wrong in itself is told that, by who answers it.
  const bad = misfit(x);
  if (bad && !wrongWith(x)) return { kind: "failure", failure: bad };
  const given = await relay(x, { call, instead: old && (() => standInText(x, call!, old)) });
  const failed = old && failureIn(call!, given);
  if (failed) return standIn(x, call!, old, failed.status);
  // Where the origin cannot say what is wrong with a request, the replica does: waiting for the origin would not mend it.
  const wrong = given.kind === "failure" && given.failure.kind === "origin" ? wrongWith(x) : undefined;
  return wrong ? { kind: "failure", failure: { kind: "rejected", ...wrong } } : given;
}

/** What the mirror has for a call, where the caller's headers say what its arguments say. */
async function mirroredOf(x: Exchange, call: Call, asked: Asked): Promise<Mirrored | undefined> {
  const aim = aimOf(x, call);
  if (!aim) return undefined;
  if (call.method === "tools/call" && call.era === "modern") {
    await refreshCatalogue(x, call, asked, BRIEF_MS);
    if (!headersAgree(x, call, catalogueOf(x).get(call.target!))) return undefined;
  }
  return mirror(x, call, aim, asked);
}

function wrongWith(x: Exchange): Rejection | undefined {
  return ladder(x.body, x.headers) ?? (contradictsParams(x) ? paramMismatch() : undefined);
}

/** A failure in the origin's own words, where it had any. */
function origins(failed: Extract<Answer, { kind: "failure" }>, call: Call): Answer {
  const own = failed.failure.kind === "origin" ? ownWords(failed.failure.failure) : undefined;
  return own ? { kind: "message", result: "relay", ...own, text: withId(own.text, call.id) } : failed;
}

/** Whether the origin has said no to the question what it is. */
function isRefused({ method }: Call, { text }: Extract<Answer, { kind: "message" }>): boolean {
  return method === "server/discover" && errorCode(text) !== undefined;
}

/** Whether a relay failed in a way that an old answer may stand in for, and the origin's status where it gave one. */
function failureIn(call: Call, given: Answer): { status: number | undefined; isRefusedHere?: boolean } | undefined {
  if (given.kind === "failure") {
    const { failure } = given;
    return failure.kind === "origin" && mayStandIn(call, failure.failure)
      ? { status: statusOf(failure.failure), isRefusedHere: isRefusedHere(failure.failure) }
      : undefined;
  }
  if (given.kind === "message" && (given.status >= 500 || given.status === 429)) return { status: given.status };
  return undefined;
}

/**
 * Why a request is kept from the origin, however it is formed: by the operator's `deny`, or as it asks for others' tasks. Where tools write or are bounded, too,
 * nobody may call one in words that the replica reads otherwise.
 */
function denial(x: Exchange): Failure | undefined {
  if (listsOthers(x)) return { kind: "denied", what: "the method tasks/list" };
  const { settings, hasWrites, isBounded } = x.origin;
  if (settings.denied === undefined && !hasWrites && !isBounded) return undefined;
  if (x.scan.duplicates || isEquivocal(x.body)) return DUPLICATE_KEYS;
  const { method, params } = x.body as { method: unknown; params?: unknown };
  if (method !== "tools/call") return undefined;
  const name = isObject(params) ? params["name"] : undefined;
  if (typeof name !== "string") return invalid(x.body, "name must be a string");
  if (policyOf(x.origin, "tools/call", name).kind !== "deny") return undefined;
  return { kind: "denied", what: `the tool ${name}` };
}
