import { concerning } from "../cache/concerning.ts";
import type { Entry } from "../cache/entry.ts";
import { policyOf } from "../config/policy.ts";
import { methodsOf, type Change, type ListName } from "../mcp/change.ts";
import { cacheableMethod } from "../mcp/methods.ts";
import type { Call } from "../mcp/recognise.ts";
import { MODERN_VERSION } from "../mcp/versions.ts";
import { candidatesOf, inKv, inMemory, newer, type Candidates } from "./candidates.ts";
import { isLeftAlone, knownEras, lacks } from "./eras.ts";
import type { Exchange } from "./Exchange.ts";
import { refreshBehind } from "./refreshBehind.ts";

/** What was not found in KV is not there for as long as KV itself remembers that. */
const ABSENT_MS = 30_000;
const MAX_ABSENT = 10_000;

/** How what is kept of a thing stands to the feed. */
export type Rechecked =
  /** Nothing is kept, or what is kept is sound. */
  | "settled"
  /** It may have changed, and is being asked for again. */
  | "asked";

/**
 * Asks the origin again, in the background, for what is kept of a thing that may have changed: if it has, that is seen, and
 * listeners are told. What is not kept has no earlier version that anybody could hold on to. What was asked for before
 * `since` (epoch ms) may have changed, whatever the feed says.
 */
export async function recheck(
  x: Exchange,
  change: Change,
  capabilities: Readonly<Record<string, unknown>>,
  since = 0,
): Promise<Rechecked> {
  let rechecked: Rechecked = "settled";
  for (const method of methodsOf(change)) {
    const call = callFor(method, change, capabilities);
    const policy = policyOf(x.origin, method, call.target);
    if (policy.kind !== "cache") continue;
    const candidates = candidatesOf(x, call, policy.rule);
    const entry = candidates && (await held(x, candidates));
    const isOlder = entry !== undefined && entry.storedAt < since;
    if (!entry?.isDoubted && !isOlder) continue;
    refreshBehind(x, call, policy.rule, candidates!, entry, isOlder);
    rechecked = "asked";
  }
  return rechecked;
}

/** Asks again for the lists in memory that the feed has said may have changed, as far as they are those of who is here. */
export function recheckLists(asked: Exchange): void {
  if (asked.feed.doubted.size === 0) return;
  const doubted = new Set(asked.feed.doubted);
  asked.feed.doubted.clear();
  const eras = knownEras(asked);
  const isForeign = lacks(eras, "modern");
  if (isForeign && ((eras.legacy ?? "none") === "none" || isLeftAlone(asked, eras.legacy === "sessions"))) return;
  const asksIn = isForeign ? ("legacy" as const) : undefined;
  const x: Exchange = { ...asked, asksIn, session: undefined, sessionId: undefined };
  for (const list of ["tools", "prompts", "resources"] satisfies ListName[]) {
    const change: Change = { kind: "list", list };
    for (const method of methodsOf(change)) {
      const rule = x.origin.lists;
      const call = callFor(method, change, {});
      if (!concerning({ method, target: null }, [], "public").some((tag) => doubted.has(tag))) continue;
      const candidates = candidatesOf(x, call, rule)!;
      const entry = doubtful(x, candidates);
      if (entry) refreshBehind(x, call, rule, candidates, entry);
    }
  }
}

/** What is kept, here or in KV; marked where the feed has something against it. */
export async function held(x: Exchange, candidates: Candidates): Promise<Entry | undefined> {
  const entry = inMemory(x, candidates, "modern") ?? doubtful(x, candidates);
  if (entry) return entry;
  const { absentUntil } = x.isolate.listening;
  const key = candidates.flight.text;
  if ((absentUntil.get(key) ?? 0) > x.now()) return undefined;
  const saved = await inKv(x, candidates, "modern");
  if (saved) return saved;
  if (absentUntil.size >= MAX_ABSENT) absentUntil.clear();
  absentUntil.set(key, x.now() + ABSENT_MS);
  return doubtful(x, candidates);
}

/** What is in memory, where the feed has something against it: also what is not answered any more. */
function doubtful(x: Exchange, candidates: Candidates): Entry | undefined {
  const { memory } = x.isolate;
  const own = candidates.private && memory.peek(candidates.private);
  const entry = newer(own, candidates.public && memory.peek(candidates.public));
  if (!entry || x.feed.judge(entry, candidates.flight) === "sound") return undefined;
  return { ...entry, isDoubted: true };
}

/** The request that a listener would make: the first page of a list, or a read. */
export function callFor(method: string, change: Change, capabilities: Readonly<Record<string, unknown>>): Call {
  const target = change.kind === "resource" ? change.uri : null;
  return {
    era: "modern",
    version: MODERN_VERSION,
    id: 0,
    method,
    shape: cacheableMethod(method)!,
    target,
    variant: undefined,
    capabilities: { ...capabilities },
    params: target === null ? {} : { uri: target },
    wantsProgress: false,
    cacheControl: undefined,
  };
}
