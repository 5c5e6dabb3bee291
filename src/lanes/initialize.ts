import { hashOf } from "../cache/codec.ts";
import { ageMs, freshness } from "../cache/freshness.ts";
import { neutralise } from "../cache/neutralise.ts";
import { tell, type CacheWord } from "../cache/tell.ts";
import type { Entry } from "../cache/entry.ts";
import { isModern } from "../mcp/envelope.ts";
import { errorCode } from "../mcp/errorCode.ts";
import { initializeRequest } from "../mcp/initializeRequest.ts";
import { isObject } from "../mcp/isObject.ts";
import { acceptsBoth } from "../mcp/recognise.ts";
import { unpromising } from "../mcp/unpromising.ts";
import { LEGACY_VERSIONS, MODERN_VERSION } from "../mcp/versions.ts";
import { callOrigin, failureOf } from "../origin/callOrigin.ts";
import { statusOf, type OriginFailure } from "../origin/failure.ts";
import { closeSession, MESSAGE_HEADERS } from "../origin/inSession.ts";
import { FILL_ID } from "../origin/askAtAnyCost.ts";
import { readReply, type Reply } from "../origin/readReply.ts";
import { barred } from "./barred.ts";
import { berthFor } from "./berth.ts";
import { candidatesOf, inKv, inMemory, newer, type Candidates } from "./candidates.ts";
import { directivesOf } from "./directives.ts";
import type { Answer, Exchange } from "./Exchange.ts";
import { forwardedHeaders } from "./forwardedHeaders.ts";
import { erasOf, knownEras, lacks, noteEras } from "./eras.ts";
import { isDetached } from "./isDetached.ts";
import { keep } from "./keep.ts";
import { noteEnding } from "./noteHealth.ts";
import { obtain } from "./obtain.ts";
import { overOriginLimit } from "./overLimit.ts";
import { ownWords } from "./ownWords.ts";
import { sealSession } from "./sessions.ts";
import { asInitialize, bootstrapCall, discoverAsInitialize } from "./surface.ts";

/** An `initialize` request that could be answered from the store. */
export interface Opening {
  id: string | number;
  version: string;
  capabilities: Readonly<Record<string, unknown>>;
}

const MAX_BYTES = 1_048_576;
/** Of what an origin calls itself, in characters. */
const MAX_NAME = 1_024;

/** Recognises a well-formed `initialize` that opens a new connection. */
export function opening(x: Exchange): Opening | undefined {
  const { body } = x;
  if (!x.scan.exact || !isObject(body) || body["method"] !== "initialize" || x.session) return undefined;
  const { id, params } = body;
  if (typeof id !== "string" && !Number.isSafeInteger(id)) return undefined;
  const version = x.headers.get("mcp-protocol-version");
  if ((version !== null && !LEGACY_VERSIONS.includes(version)) || !acceptsBoth(x.headers.get("accept")))
    return undefined;
  // With an envelope it is a request of the modern revision, which has no such method.
  if (isModern(body) || !isObject(params)) return undefined;
  const { protocolVersion, capabilities } = params;
  if (typeof protocolVersion !== "string" || !isObject(capabilities)) return undefined;
  return { id: id as string | number, version: protocolVersion, capabilities };
}

/**
 * Answers `initialize`: from the store while that is fresh, else from the origin, else from whatever is stored. It is
 * never shared between callers in flight, because an origin may mint a session for each.
 */
export async function initialize(x: Exchange, opens: Opening): Promise<Answer> {
  const { id, version, capabilities } = opens;
  if (lacks(await erasOf(x), "legacy")) {
    const told = await fromDiscover(x, opens);
    if (told) return told;
  }
  const asked = directivesOf(x, undefined);
  const candidates = LEGACY_VERSIONS.includes(version) ? initializeCandidates(x, version) : undefined;
  const kept = candidates && inMemory(x, candidates, "legacy");
  const fresh = (entry: Entry | undefined) => entry && !asked.again && freshness(entry, x.now()) === "fresh";
  const known = fresh(kept) || !candidates ? kept : newer(await inKv(x, candidates, "legacy"), kept);
  if (known && fresh(known)) {
    const outcome = { kind: "hit", ttlMs: known.ttlMs - ageMs(known, x.now()) } as const;
    return told(x, known, opens, "hit", outcome);
  }
  if (asked.onlyCached) return (await stored(x, known, opens)) ?? { kind: "failure", failure: { kind: "not-cached" } };

  const asking = (isPatient: boolean) => ask(x, forwardedHeaders(x), x.text, id, candidates, known, isPatient);
  let reply = await asking(false);
  if ("failure" in reply && reply.failure.kind === "down") {
    const offline = await stored(x, known, opens, reply.failure);
    if (offline) return offline;
    reply = await asking(true);
  }
  if ("tooLarge" in reply) {
    return {
      kind: "failure",
      failure: { kind: "origin", failure: { kind: "garbage", detail: "an answer too large to be one" } },
    };
  }
  if ("text" in reply) {
    const { status, text, sessionId: originId } = reply;
    // Refused: an origin that is modern only, perhaps. Its discover answer says whether it is.
    const instead = errorCode(text) === undefined ? undefined : await fromDiscover(x, opens, true);
    if (instead) return instead;
    const outcome = { kind: "forward", why: known ? "stale" : "uri-miss", status } as const;
    // Without a session there is no stream on which the origin could keep such promises.
    if (originId === undefined) return { kind: "message", result: "miss", status, text: unpromising(text), outcome };
    const sessionId = await sealSession(x, { originId, version: agreedIn(text) ?? version, capabilities });
    return { kind: "message", result: "miss", status, text, outcome, sessionId };
  }
  // In words that are none of MCP's: it may have refused all the same.
  const isUnheard = reply.failure.kind === "garbage" && reply.failure.status !== undefined;
  const instead = isUnheard && (await erasOf(x)).legacy === undefined ? await fromDiscover(x, opens, true) : undefined;
  if (instead) return instead;
  const offline = await stored(x, known, opens, reply.failure);
  if (offline) return offline;
  const own = ownWords(reply.failure);
  if (own) return { kind: "message", result: "relay", ...own };
  return { kind: "failure", failure: { kind: "origin", failure: reply.failure } };
}

/** An answer made of the origin's discover answer, where it has one; `refused` says that it has just refused to initialize. */
async function fromDiscover(x: Exchange, opens: Opening, refused = false): Promise<Answer | undefined> {
  const call = bootstrapCall("server/discover", MODERN_VERSION);
  const obtained = await obtain(x, call, x.origin.lists, directivesOf(x, undefined));
  if (obtained.kind !== "entry" || obtained.entry.era !== "modern") return undefined;
  if (refused) {
    if (!(await refusesUs(x))) return undefined;
    await noteEras(x, { modern: true, legacy: "none" });
  }
  const { entry, word, outcome } = obtained;
  return told(x, asInitialize(x, entry, opens.version), opens, word, outcome);
}

/**
 * Whether the origin refuses to initialize in the replica's own words, too. A caller may have been refused for its words,
 * and what it sends must not decide how the others are served.
 */
async function refusesUs(x: Exchange): Promise<boolean> {
  const version = LEGACY_VERSIONS[0]!;
  const candidates = initializeCandidates(x, version);
  const reply = await ask(x, MESSAGE_HEADERS, initializeRequest(FILL_ID), FILL_ID, candidates, undefined);
  if ("failure" in reply) return reply.failure.kind === "garbage" && reply.failure.status !== undefined;
  if (!("text" in reply)) return false;
  // The session was opened for the answer alone.
  if (reply.sessionId !== undefined) {
    const bindings = x.env as unknown as Record<string, unknown>;
    await closeSession(x.origin.settings, bindings, { id: reply.sessionId, version });
  }
  return errorCode(reply.text) !== undefined;
}

/**
 * Asks the origin, and keeps the answer. One that opened a session is kept for outages only: there is no session in it.
 * `isPatient` waits a moment for an origin that may be up again.
 */
export async function ask(
  x: Exchange,
  headers: Readonly<Record<string, string>>,
  body: string,
  id: string | number,
  candidates: Candidates | undefined,
  known: Entry | undefined,
  isPatient = false,
): Promise<Reply> {
  const { settings } = x.origin;
  const askedAt = x.now();
  const { position } = x.feed;
  const down = await barred(x, isPatient);
  if (down) return { failure: down };
  const berth = berthFor(x);
  if ("failure" in berth) return berth;
  let reply: Reply;
  try {
    const limited = await overOriginLimit(x);
    if (limited) return { failure: limited };
    const called = await callOrigin(settings, x.env as unknown as Record<string, unknown>, {
      method: "POST",
      headers,
      body,
    });
    noteEnding(x, askedAt, failureOf(called));
    if ("failure" in called) return called;
    reply = await readReply(called.response, { id, maxBytes: MAX_BYTES, totalMs: settings.totalMs });
  } finally {
    berth.leave();
  }
  if (!("text" in reply) || reply.status !== 200 || !settles(reply.text)) return reply;
  await noteEras(x, shownBy(x, reply, candidates));
  const rule = reply.sessionId === undefined ? x.origin.lists : { ...x.origin.lists, defaultTtlMs: 0 };
  const made = neutralise(reply.text, {
    method: "initialize",
    era: "legacy",
    rule,
    hints: false,
    tags: [],
    askedAt,
    random: x.random(),
    maxBytes: settings.entryBytes,
  });
  // A version that nobody knows would only ever be found by who made it up.
  if (typeof made !== "string" && candidates) {
    // There is no session in it that anybody could go on with, so it serves in outages only.
    const opensSession = reply.sessionId !== undefined && {
      opensSession: true as const,
      ttlMs: 0,
      staleWhileRevalidateMs: 0,
      promisedMs: 0,
    };
    keep(
      x,
      candidates,
      { ...made, ...opensSession, ...position, hash: await hashOf(made.body, made.meta), savedAt: askedAt },
      known,
    );
  }
  return reply;
}

/** What an answer to `initialize` shows of the origin. */
function shownBy(
  x: Exchange,
  { text, sessionId }: { text: string; sessionId?: string },
  asked: Candidates | undefined,
) {
  const { protocolVersion, serverInfo } = (JSON.parse(text) as { result: Record<string, unknown> }).result;
  // An origin agrees to older versions as well: the newest is asked for by who is translated.
  const isNewest = asked?.flight.target === LEGACY_VERSIONS[0] || knownEras(x).version === undefined;
  return {
    legacy: sessionId === undefined ? ("stateless" as const) : ("sessions" as const),
    ...(isNewest && { version: String(protocolVersion) }),
    serverInfo: briefly(serverInfo),
  };
}

/** What the origin calls itself goes into every translated answer: pictures stay behind. */
function briefly(serverInfo: unknown): unknown {
  if (!isObject(serverInfo) || JSON.stringify(serverInfo).length <= MAX_NAME) return serverInfo;
  const { name, version } = serverInfo;
  return { name: String(name).slice(0, MAX_NAME), version: String(version).slice(0, MAX_NAME) };
}

/** Where an answer to `initialize` is kept: by the version that was asked for. */
export function initializeCandidates(x: Exchange, version: string): Candidates {
  return candidatesOf(x, bootstrapCall("initialize", version), x.origin.lists)!;
}

/** What is stored, however the question was put: this version's answer, another version's, or the discover answer retold. */
async function stored(
  x: Exchange,
  known: Entry | undefined,
  opens: Opening,
  failure?: OriginFailure,
): Promise<Answer | undefined> {
  const { version } = opens;
  const entry = usable(x, known) ?? (await otherVersion(x, version)) ?? (await discoverAsInitialize(x, version));
  if (!entry) return undefined;
  const status = failure && statusOf(failure);
  const ttlMs = entry.ttlMs - ageMs(entry, x.now());
  return told(x, entry, opens, "stale", { kind: "stale-if-error", ttlMs, ...(status !== undefined && { status }) });
}

async function otherVersion(x: Exchange, version: string): Promise<Entry | undefined> {
  for (const other of LEGACY_VERSIONS) {
    if (other === version) continue;
    const candidates = initializeCandidates(x, other);
    const entry = usable(x, inMemory(x, candidates, "legacy") ?? (await inKv(x, candidates, "legacy")));
    // The caller compares the version in the answer with those it speaks, and goes on with it (basic/lifecycle).
    if (entry) return entry;
  }
  return undefined;
}

function usable(x: Exchange, entry: Entry | undefined): Entry | undefined {
  return entry && freshness(entry, x.now()) !== "expired" ? entry : undefined;
}

/** A stored answer. Where the origin would open a session, the replica does: one that lasts until the origin is back. */
async function told(
  x: Exchange,
  entry: Entry,
  { id, version, capabilities }: Opening,
  word: CacheWord,
  outcome: Extract<Answer, { kind: "message" }>["outcome"] & {},
): Promise<Answer> {
  const detached = word !== "miss" && isDetached(x);
  const text = unpromising(tell(entry, { era: "legacy", id, status: word, hints: false, detached, now: x.now() }));
  const age = ageMs(entry, x.now());
  const how = detached ? { ...outcome, detached } : outcome;
  const answer = { kind: "message", result: word, status: 200, text, outcome: how, ageMs: age } as const;
  if (!entry.opensSession) return answer;
  return { ...answer, sessionId: await sealSession(x, { version: agreedIn(text) ?? version, capabilities }) };
}

/** The protocol version that an answer to `initialize` settles on. */
function agreedIn(reply: string): string | undefined {
  const { result } = JSON.parse(reply) as { result?: { protocolVersion?: unknown } };
  return typeof result?.protocolVersion === "string" ? result.protocolVersion : undefined;
}

/** Whether an answer says all that a client needs to go on (basic/lifecycle); some servers say something else to what they do not know. */
function settles(reply: string): boolean {
  const { result } = JSON.parse(reply) as { result?: unknown };
  if (!isObject(result) || typeof result["protocolVersion"] !== "string") return false;
  return isObject(result["capabilities"]) && isObject(result["serverInfo"]);
}
