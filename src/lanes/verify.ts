import { tollOf } from "../access/askLimiter.ts";
import type { Entry } from "../cache/entry.ts";
import type { Collection, VerifyRule } from "../config/mirror.ts";
import type { CacheRule } from "../config/replica.ts";
import { ownId } from "../config/tenant.ts";
import { isObject } from "../mcp/isObject.ts";
import type { Call } from "../mcp/recognise.ts";
import { differenceOf, type Result } from "../mirror/compare.ts";
import { mirrorName } from "../mirror/mirrorName.ts";
import { mirrorObject } from "../origin/mirrorObject.ts";
import type { Verdict } from "../mirror/Verified.ts";
import { charge } from "../origin/charge.ts";
import { reasonOf } from "../telemetry/events.ts";
import { candidatesOf, type Candidates } from "./candidates.ts";
import { isLeftAlone, knownEras, lacks } from "./eras.ts";
import type { Exchange } from "./Exchange.ts";
import { fill, type Filled } from "./fill.ts";
import type { Aim, FoundAnswer } from "./Mirrored.ts";

/** So many answers are being compared at once, of an isolate. What comes meanwhile is not. */
const AT_ONCE = 2;
/** Of an answer that is wrong as many rows are asked for again, one by one. */
const MOST_ROWS = 20;

/** How a tool is answered from a mirror. */
type ByRule = Extract<Aim, { kind: "tool" }>;

/** What is compared with what, and how the origin is asked. */
interface Comparing {
  call: Call;
  verify: VerifyRule;
  lane: "cache" | "mirror";
  /** The members of the result that was given, without braces. */
  body: string;
  /** How old it was, ms. */
  ageMs: number;
  ask: () => Promise<Filled>;
  /** Whether the feed has nothing against it by the time of the comparison: else it need not be what the origin says now. */
  isSound: () => boolean;
}

/** A rule by which nothing is kept. */
const UNKEPT: CacheRule = {
  ttlMs: 0,
  defaultTtlMs: 0,
  staleWhileRevalidateMs: 0,
  staleIfErrorMs: 0,
  scope: "public",
  clientTtlMs: undefined,
  tell: false,
  tags: [],
  strict: false,
};

/**
 * Compares an answer that is given from the cache with the origin's, in the background, where the draw says so; the origin's
 * then takes its place. In a session the origin could only be asked by who waits for the answer.
 */
export function verifyKept(x: Exchange, call: Call, rule: CacheRule, candidates: Candidates, entry: Entry): void {
  const { verify } = rule;
  if (!verify || x.session || !isDrawn(x, verify)) return;
  const asking = entry.era === call.era ? x : { ...x, asksIn: entry.era };
  const { soundAt: _, ...then } = entry;
  begin(x, {
    call,
    verify,
    lane: "cache",
    body: entry.body,
    ageMs: Math.max(0, x.now() - entry.storedAt),
    ask: () => fill(asking, call, rule, candidates, { again: true, previous: entry, behind: true }),
    // What was against it when it was given has not come since.
    isSound: () => entry.isDoubted === true || x.feed.judge({ ...then }, candidates.flight) === "sound",
  });
}

/**
 * Compares an answer that is given from a mirror with the origin's, as the replica asks itself, in the background, where the
 * draw says so. What comes of it is told to the mirror; where answers of the tool are cached as well, the origin's is kept.
 */
export function verifyMirrored(
  caller: Exchange,
  call: Call,
  { rule, policy }: ByRule,
  { entry, keys, isSound = () => true }: FoundAnswer,
): void {
  const { verify, cache = UNKEPT } = policy;
  if (!verify || !isDrawn(caller, verify)) return;
  const eras = knownEras(caller);
  const asksIn = lacks(eras, "modern") ? "legacy" : "modern";
  if (asksIn === "legacy" && isLeftAlone(caller, eras.legacy === "sessions")) return;
  const x: Exchange = { ...caller, asksIn, session: undefined, sessionId: undefined };
  const candidates = candidatesOf(x, call, cache);
  if (!candidates) return;
  const ageMs = Math.max(0, x.now() - entry.storedAt);
  const ask = () => fill(x, call, cache, candidates, { again: true, previous: undefined, behind: true });
  const collection = x.origin.collections.get(rule.from)!;
  const told = (isSame: boolean) => tellMirror(x, call, verify, collection, isSame ? undefined : { ageMs, keys });
  begin(x, { call, verify, lane: "mirror", body: entry.body, ageMs, ask, isSound }, told);
}

/** Whether this one is compared: by lot, and not where the origin has enough to do. */
function isDrawn(x: Exchange, { share }: VerifyRule): boolean {
  if (share <= 0 || x.random() >= share || !x.replica.enabled) return false;
  const { health } = x.feed;
  return health.breaker.isWell && health.crowdedMs(x.now()) === 0;
}

function begin(x: Exchange, comparing: Comparing, told?: (isSame: boolean) => Promise<void>): void {
  const release = claim(x);
  if (!release) return;
  const work = async () => {
    try {
      const isSame = (await isLimited(x)) ? undefined : await compare(x, comparing);
      if (isSame !== undefined) await told?.(isSame);
    } catch (error) {
      const { target: name, method } = comparing.call;
      const { correlationId } = x.trace;
      const reason = `an answer could not be compared: ${reasonOf(error)}`;
      x.report({ type: "refresh-failed", origin: x.origin.settings.id, method, name, reason, correlationId });
    } finally {
      release();
    }
  };
  x.waitUntil(work());
}

/** A place among those that are compared at once; what gives it back. `undefined` where there is none. */
function claim({ isolate: { verifying }, origin: { settings }, now }: Exchange): (() => void) | undefined {
  // The runtime may end what goes on in the background, and tells nobody.
  for (const one of verifying) if (one.until <= now()) verifying.delete(one);
  if (verifying.size >= AT_ONCE) return undefined;
  const own = { until: now() + settings.firstByteMs + settings.totalMs };
  verifying.add(own);
  return () => verifying.delete(own);
}

/** Where calls of the origin are limited, all comparisons together may make as many as one caller. */
async function isLimited(x: Exchange): Promise<boolean> {
  const limiter = x.replica.limits.origin;
  if (limiter === undefined || x.payer() === undefined) return false;
  const toll = await tollOf(limiter, ["verify", ownId(x.origin.settings.id)], "");
  return (await charge(x.env as unknown as Record<string, unknown>, toll, x.report)) !== undefined;
}

/** Whether the origin says the same; `undefined` where it says nothing that could be compared. */
async function compare(x: Exchange, comparing: Comparing): Promise<boolean | undefined> {
  const { call, verify, lane, body, ageMs, ask, isSound } = comparing;
  const theirs = resultOf(await ask());
  if (!theirs || !isSound()) return undefined;
  const place = differenceOf(resultIn(body), theirs, verify.volatile);
  const isSame = place === undefined;
  const tool = call.target!;
  x.tally.countVerified({ tool, lane, staleMs: isSame ? undefined : ageMs });
  if (!isSame) {
    const { correlationId } = x.trace;
    const origin = ownId(x.origin.settings.id);
    x.report({ type: "verify-mismatch", origin, name: tool, lane, place, staleMs: ageMs, correlationId });
  }
  return isSame;
}

async function tellMirror(
  x: Exchange,
  call: Call,
  { maxMismatch }: VerifyRule,
  collection: Collection,
  wrong: { ageMs: number; keys: readonly string[] | undefined } | undefined,
): Promise<void> {
  const { settings } = x.origin;
  const verdict: Verdict = {
    tool: call.target!,
    matches: wrong ? 0 : 1,
    mismatches: wrong ? 1 : 0,
    staleMs: wrong?.ageMs ?? 0,
    ...(maxMismatch !== undefined && { maxMismatch }),
    ...(wrong?.keys && { keys: wrong.keys.slice(0, MOST_ROWS) }),
  };
  const name = await mirrorName(settings, collection);
  await mirrorObject(x.env, name, settings.region).verified([verdict]);
}

/** What the origin has answered, where it is a result. */
function resultOf(filled: Filled): Result | undefined {
  if (filled.kind === "entry") return resultIn(filled.entry.body);
  if (filled.kind !== "reply" || filled.status !== 200 || filled.declined) return undefined;
  const { result } = JSON.parse(filled.text) as { result?: unknown };
  const isWhole = isObject(result) && (result["resultType"] ?? "complete") === "complete";
  return isWhole ? result : undefined;
}

function resultIn(body: string): Result {
  return JSON.parse(`{${body}}`) as Result;
}
