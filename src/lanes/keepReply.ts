import { freshness } from "../cache/freshness.ts";
import { hashOf } from "../cache/codec.ts";
import type { Entry, Position } from "../cache/entry.ts";
import { needsSaving } from "../cache/save.ts";
import { neutralise, SUPERSEDING } from "../cache/neutralise.ts";
import { expandTags } from "../cache/tags.ts";
import type { CacheRule } from "../config/replica.ts";
import { isList } from "../mcp/methods.ts";
import type { Call } from "../mcp/recognise.ts";
import { isDemotion } from "../origin/land.ts";
import { reasonOf } from "../telemetry/events.ts";
import { candidatesOf, inKv, inMemory, type Candidates } from "./candidates.ts";
import type { Exchange } from "./Exchange.ts";
import { knownEras, lacks } from "./eras.ts";
import { inOriginsEra } from "./fillHeaders.ts";
import { demoteKept, keep, supersede } from "./keep.ts";
import { isWrapped } from "./learn.ts";

/** What a relayed answer may be kept as. */
export interface Keeping {
  call: Call;
  rule: CacheRule;
  candidates: Candidates;
  previous: Entry | undefined;
  /** How far the feed was known before the origin was asked. */
  position: Position | undefined;
}

/**
 * Keeps the answer that a relay brought, in the background, if it is one that may be kept; if not, what it replaces is
 * kept no longer. `askedAt` is when the origin was asked, epoch ms.
 */
export function keepReply(x: Exchange, keeping: Keeping, reply: string, askedAt: number): void {
  inBackground(x, store(x, keeping, reply, askedAt));
}

/** An answer has come past that is too large to be looked at. */
export function keepNothing(x: Exchange, { call, candidates, previous }: Keeping, askedAt: number): void {
  if (previous) inBackground(x, supersede(x, call.method, candidates, askedAt));
}

function inBackground(x: Exchange, work: Promise<void>): void {
  x.waitUntil(work.catch((error) => x.report({ type: "store-failed", operation: "put", reason: reasonOf(error) })));
}

async function store(x: Exchange, keeping: Keeping, reply: string, askedAt: number): Promise<void> {
  const { call, rule, candidates, previous, position } = keeping;
  const { era } = inOriginsEra(x, call);
  const made = neutralise(reply, {
    method: call.method,
    era,
    rule,
    hints: call.shape.hints,
    tags: expandTags(rule.tags, call.variant),
    isWrapped: isWrapped(x, call),
    isLegacyOnly: lacks(knownEras(x), "modern"),
    askedAt,
    random: x.random(),
    maxBytes: x.origin.settings.entryBytes,
  });
  if (typeof made === "string") {
    if (previous && SUPERSEDING.has(made)) await supersede(x, call.method, candidates, askedAt);
    return;
  }
  const hash = await hashOf(made.body, made.meta);
  const entry: Entry = { ...made, ...position, hash, savedAt: made.storedAt };
  keep(x, candidates, entry, previous);
  const laterPage = isList(call.method) && call.variant !== undefined;
  if (isDemotion({ method: call.method, era, rule, laterPage, ...(previous && { previous }) }, entry)) {
    await demoteKept(x, call, candidates);
  }
  if (x.session && isList(call.method) && entry.scope === "private") await keepForOutages(x, call, rule, entry);
}

/**
 * A list that a session was shown, for sessions that the same principal opens while the origin is down: without it an
 * agent that starts during an outage would find no tools. For nobody else, because sessions may be shown different lists.
 */
async function keepForOutages(x: Exchange, call: Call, rule: CacheRule, entry: Entry): Promise<void> {
  const { outside, candidates } = inOutages(x, call, rule);
  const known = inMemory(outside, candidates, call.era) ?? (await inKv(outside, candidates, call.era));
  const kept = { ...entry, ttlMs: 0, staleWhileRevalidateMs: 0, promisedMs: 0 };
  const save = needsSaving(kept, known);
  await x.isolate.memory.put(candidates.private!, save ? kept : { ...kept, savedAt: known!.savedAt });
  if (save) await x.kv.put(candidates.private!, kept);
}

/** What is kept of a list for a session that was opened while the origin is down. */
export async function keptForOutages(x: Exchange, call: Call, rule: CacheRule): Promise<Entry | undefined> {
  if (!x.session || x.session.originId !== undefined || !isList(call.method)) return undefined;
  const { outside, candidates } = inOutages(x, call, rule);
  const entry = inMemory(outside, candidates, call.era) ?? (await inKv(outside, candidates, call.era));
  return entry && freshness(entry, x.now()) !== "expired" ? entry : undefined;
}

/** Where such lists are: in a partition of their own. */
function inOutages(x: Exchange, call: Call, rule: CacheRule): { outside: Exchange; candidates: Candidates } {
  const outside = { ...x, session: undefined, principal: `outages of ${x.principal}` };
  return { outside, candidates: candidatesOf(outside, call, { ...rule, scope: "private" })! };
}
