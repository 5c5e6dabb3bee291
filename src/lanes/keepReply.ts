import { freshness } from "../cache/freshness.ts";
import { hashOf } from "../cache/codec.ts";
import type { Entry } from "../cache/entry.ts";
import { neutralise } from "../cache/neutralise.ts";
import { expandTags } from "../cache/tags.ts";
import type { CacheRule } from "../config/replica.ts";
import { isList } from "../mcp/methods.ts";
import type { Call } from "../mcp/recognise.ts";
import { reasonOf } from "../telemetry/events.ts";
import { candidatesOf, inKv, inMemory, type Candidates } from "./candidates.ts";
import type { Exchange } from "./Exchange.ts";
import { knownEras, lacks } from "./eras.ts";
import { inOriginsEra } from "./fillHeaders.ts";
import { keep } from "./keep.ts";
import { isWrapped } from "./learn.ts";

/** What a relayed answer may be kept as. */
export interface Keeping {
  call: Call;
  rule: CacheRule;
  candidates: Candidates;
  previous: Entry | undefined;
}

/** Keeps the answer that a relay brought, in the background, if it is one that may be kept. `askedAt` is when the origin was asked, epoch ms. */
export function keepReply(x: Exchange, keeping: Keeping, reply: string, askedAt: number): void {
  const failed = (error: unknown) => x.report({ type: "store-failed", operation: "put", reason: reasonOf(error) });
  x.waitUntil(store(x, keeping, reply, askedAt).catch(failed));
}

async function store(x: Exchange, keeping: Keeping, reply: string, askedAt: number): Promise<void> {
  const { call, rule, candidates, previous } = keeping;
  const made = neutralise(reply, {
    method: call.method,
    era: inOriginsEra(x, call).era,
    rule,
    hints: call.shape.hints,
    tags: expandTags(rule.tags, call.variant),
    isWrapped: isWrapped(x, call),
    isLegacyOnly: lacks(knownEras(x), "modern"),
    askedAt,
    random: x.random(),
    maxBytes: x.origin.settings.entryBytes,
  });
  if (typeof made === "string") return;
  const entry: Entry = { ...made, hash: await hashOf(made.body, made.meta), savedAt: made.storedAt };
  keep(x, candidates, entry, previous);
  if (x.session && isList(call.method) && entry.scope === "private") await keepForOutages(x, call, rule, entry);
}

/**
 * A list that a session was shown, for later sessions of the same principal: only while the origin is down, for they may
 * differ. Without it an agent that starts during an outage would find no tools.
 */
async function keepForOutages(x: Exchange, call: Call, rule: CacheRule, entry: Entry): Promise<void> {
  const outside = { ...x, session: undefined };
  const candidates = candidatesOf(outside, call, { ...rule, scope: "private" })!;
  const known = inMemory(outside, candidates, call.era) ?? (await inKv(outside, candidates, call.era));
  keep(outside, candidates, { ...entry, ttlMs: 0, staleWhileRevalidateMs: 0, promisedMs: 0 }, known);
}

/** What is kept of a list for outages, for a session that has none of its own. */
export async function keptForOutages(x: Exchange, call: Call, rule: CacheRule): Promise<Entry | undefined> {
  if (!x.session || !isList(call.method)) return undefined;
  const outside = { ...x, session: undefined };
  const candidates = candidatesOf(outside, call, { ...rule, scope: "private" })!;
  const entry = inMemory(outside, candidates, call.era) ?? (await inKv(outside, candidates, call.era));
  return entry && freshness(entry, x.now()) !== "expired" ? entry : undefined;
}
