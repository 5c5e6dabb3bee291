import type { CacheOutcome } from "../cache/cacheStatus.ts";
import { isEarly } from "../cache/early.ts";
import type { Entry } from "../cache/entry.ts";
import { ageMs, freshness } from "../cache/freshness.ts";
import { expandTags } from "../cache/tags.ts";
import type { CacheWord } from "../cache/tell.ts";
import type { CacheRule } from "../config/replica.ts";
import { keyedCapabilities } from "../mcp/keyedCapabilities.ts";
import type { Call } from "../mcp/recognise.ts";
import { withoutPromise } from "../mcp/withoutPromise.ts";
import { statusOf } from "../origin/failure.ts";
import { isRefusedHere, mayStandIn } from "./mayStandIn.ts";
import { hasStrayParam } from "./fillHeaders.ts";
import { candidatesOf, inKv, inMemory, newer, type Candidates } from "./candidates.ts";
import type { Asked } from "./directives.ts";
import type { Exchange, Failure } from "./Exchange.ts";
import { fill, type Filled } from "./fill.ts";
import { aimOf, hasOwnCursor, mirror } from "./mirror.ts";
import { oneScope } from "./oneScope.ts";
import { misfit } from "./misfit.ts";
import { isSuspect } from "./suspect.ts";
import { trust } from "./trust.ts";
import { refreshBehind } from "./refreshBehind.ts";
import { verifyKept } from "./verify.ts";

/** What the cache, or the origin through it, has for a call. */
export type Obtained =
  /** `at`: when it was looked at, epoch ms; absent for what has just come. */
  | { kind: "entry"; entry: Entry; word: CacheWord; outcome: CacheOutcome; at?: number }
  | (Extract<Filled, { kind: "reply" }> & { outcome: CacheOutcome })
  /** Ask the origin directly. What comes may be kept under the candidates. */
  | {
      kind: "relay";
      keep: { candidates: Candidates; rule: CacheRule } | undefined;
      previous: Entry | undefined;
      /** What of that may be answered if the origin fails. */
      usable?: Entry | undefined;
      /** It is relayed because the feed could not be asked. */
      isBlind?: boolean;
    }
  | { kind: "failure"; failure: Failure };

/**
 * Tries memory, then KV, then the mirror, then a fill, then what is stale. Each that has nothing leaves it to the next. At
 * once where memory has it. `isToBeKept`: for who wants it to be kept here, so that the mirror is passed over.
 */
export function obtain(
  x: Exchange,
  call: Call,
  rule: CacheRule,
  asked: Asked,
  isToBeKept = true,
): Obtained | Promise<Obtained> {
  const candidates = candidatesOf(x, call, rule);
  if (!candidates) {
    if (hasOwnCursor(x.origin, x.body)) return { kind: "failure", failure: { kind: "cursor-gone" } };
    return { kind: "relay", keep: undefined, previous: undefined };
  }
  if (rule.strict) return strictly(x, call, { rule, asked, candidates, isToBeKept });
  const kept = inMemory(x, candidates, call.era);
  const hit = kept && !asked.again ? asHit(x, call, rule, candidates, asked, kept, "memory") : undefined;
  if (hit && (hit.word === "hit" || isToBeKept || !aimOf(x, call))) return hit;
  return beyondMemory(x, call, { rule, asked, candidates, isToBeKept }, kept);
}

/** What is asked for. */
interface Asking {
  rule: CacheRule;
  asked: Asked;
  candidates: Candidates;
  isToBeKept: boolean;
}

/**
 * As `obtain`, for what must never be behind a write: nothing is given before the feed has been asked in this very call,
 * and nothing that it has something against. What comes from the origin is from a call that knows as much.
 */
async function strictly(x: Exchange, call: Call, asking: Asking): Promise<Obtained> {
  const { rule, asked, candidates } = asking;
  const trusted = await trust(x, candidates.flight, expandTags(rule.tags, call.variant));
  const isTrusted = trusted === "kept";
  if (asked.onlyCached && !isTrusted) return { kind: "failure", failure: { kind: "not-cached" } };
  const again = asked.again || !isTrusted;
  const kept = inMemory(x, candidates, call.era);
  const hit = kept && !again ? asHit(x, call, rule, candidates, asked, kept, "memory") : undefined;
  const isFresh = hit?.word === "hit" || (hit && !aimOf(x, call));
  const got = isFresh ? hit : await beyondMemory(x, call, { ...asking, asked: { ...asked, again } }, kept, isTrusted);
  // What callers keep themselves, nobody can check.
  if (got.kind === "entry") return { ...got, entry: unpromised(got.entry) };
  if (got.kind === "reply") return { ...got, text: call.shape.hints ? withoutPromise(got.text) : got.text };
  if (trusted !== "blind") return got;
  if (got.kind === "relay") return { ...got, isBlind: true };
  const { failure } = got;
  const isUnknown = failure.kind === "origin" && !isRefusedHere(failure.failure);
  return isUnknown ? { kind: "failure", failure: { kind: "consistency-unavailable" } } : got;
}

function unpromised({ clientTtlMs: _, ...entry }: Entry): Entry {
  return { ...entry, promisedMs: 0 };
}

async function beyondMemory(
  x: Exchange,
  call: Call,
  { rule, asked, candidates, isToBeKept }: Asking,
  kept: Entry | undefined,
  isTrusted = true,
): Promise<Obtained> {
  const saved = newer(await inKv(x, candidates, call.era), kept);
  const hit = saved && !asked.again ? asHit(x, call, rule, candidates, asked, saved, "kv") : undefined;
  const aim = isToBeKept ? undefined : aimOf(x, call);
  if (hit && !(aim && hit.word === "stale")) return hit;
  // What is mirrored is given instead of what is stale.
  const mirrored = aim && (await mirror(x, call, aim, asked, isTrusted));
  if (mirrored && (mirrored.kind === "failure" || mirrored.isGiven)) return mirrored;
  if (hit) return hit;
  const isUsable = isTrusted && !(rule.strict && saved?.isDoubted);
  const own = saved && isUsable && freshness(saved, x.now()) !== "expired" ? saved : undefined;
  const usable = newer(own, rule.strict && mirrored?.entry.isDoubted ? undefined : mirrored?.entry);
  if (asked.onlyCached) {
    if (!usable) return { kind: "failure", failure: { kind: "not-cached" } };
    return { kind: "entry", entry: usable, word: "stale", outcome: { kind: "hit", ttlMs: remaining(usable, x.now()) } };
  }
  const bad = saved === undefined && call.method === "tools/call" ? misfit(x) : undefined;
  if (bad) return { kind: "failure", failure: bad };
  if (hasStrayParam(x, call)) return { kind: "relay", keep: undefined, previous: saved, usable };
  const narrowed = await oneScope(x, call, rule);
  const keep = { rule: narrowed, candidates: narrowed === rule ? candidates : candidatesOf(x, call, narrowed)! };
  // Progress can only be streamed to the one who asked for it; so can what the origin asks of the client in a session.
  if (x.session || (call.wantsProgress && call.method === "tools/call"))
    return { kind: "relay", keep, previous: saved, usable };

  const filled = await fill(x, call, narrowed, keep.candidates, {
    again: asked.again,
    previous: saved,
    hasOld: usable !== undefined,
  });
  const why = asked.again ? "request" : saved ? "stale" : "uri-miss";
  return landed(x, call, filled, { keep, saved, usable, why });
}

/** The entry as a hit, where it may be answered without asking first. */
function asHit(
  x: Exchange,
  call: Call,
  rule: CacheRule,
  candidates: Candidates,
  asked: Asked,
  entry: Entry,
  detail: "memory" | "kv",
): Extract<Obtained, { kind: "entry" }> | undefined {
  const now = x.now();
  const state = freshness(entry, now);
  if (state !== "fresh" && state !== "stale") return undefined;
  const address = candidates[entry.scope];
  if (address && isSuspect(x, address, entry) && !asked.onlyCached) return undefined;
  const ttlMs = remaining(entry, now);
  // In a session the answer could only be asked for by who waits for it.
  const isDue = state === "stale" || (!x.session && isEarly(entry, ttlMs, x.random));
  if (isDue && !asked.onlyCached) refreshBehind(x, call, rule, candidates, entry);
  if (rule.verify !== undefined && !asked.onlyCached) verifyKept(x, call, rule, candidates, entry);
  const word = state === "fresh" ? "hit" : "stale";
  return { kind: "entry", entry, word, outcome: { kind: "hit", ttlMs, detail }, at: now };
}

interface Attempt {
  keep: { candidates: Candidates; rule: CacheRule };
  saved: Entry | undefined;
  /** What may be answered if the origin fails. */
  usable: Entry | undefined;
  why: "request" | "stale" | "uri-miss";
}

function landed(x: Exchange, call: Call, filled: Filled, { keep, saved, usable, why }: Attempt): Obtained {
  switch (filled.kind) {
    case "entry": {
      const { entry, status, collapsed } = filled;
      return { kind: "entry", entry, word: "miss", outcome: { kind: "forward", why, status, stored: true, collapsed } };
    }
    case "reply":
      return { ...filled, outcome: { kind: "forward", why, status: filled.status } };
    case "relay":
      // What the caller alone has declared, the origin is told of: the answer may follow it.
      return { kind: "relay", keep: declaresMore(call) ? undefined : keep, previous: saved, usable };
    case "failed": {
      if (!usable || !mayStandIn(call, filled.failure))
        return { kind: "failure", failure: { kind: "origin", failure: filled.failure } };
      const status = statusOf(filled.failure);
      const ttlMs = remaining(usable, x.now());
      const outcome: CacheOutcome = { kind: "stale-if-error", ttlMs, ...(status !== undefined && { status }) };
      return { kind: "entry", entry: usable, word: "stale", outcome };
    }
  }
}

/** Whether the caller declares capabilities that are not in the key. */
function declaresMore(call: Call): boolean {
  return Object.keys(call.capabilities).length > Object.keys(keyedCapabilities(call)).length;
}

/** What remains of an entry's ttl; negative when stale. */
function remaining(entry: Entry, now: number): number {
  return entry.ttlMs - ageMs(entry, now);
}
