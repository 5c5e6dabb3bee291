import type { Toll } from "../access/askLimiter.ts";
import type { Address } from "../cache/key.ts";
import { hashOf } from "../cache/codec.ts";
import type { Entry } from "../cache/entry.ts";
import { neutralise } from "../cache/neutralise.ts";
import { needsSaving, type Traits } from "../cache/save.ts";
import type { Budget, CacheRule, OriginSettings } from "../config/replica.ts";
import { isList } from "../mcp/methods.ts";
import type { Era } from "../mcp/versions.ts";
import { askAtAnyCost, type AskingTools, type Told } from "./askAtAnyCost.ts";
import { edited, edits } from "./edited.ts";
import type { Known } from "./Flights.ts";
import type { Landing, Saving } from "./Landing.ts";
import { Meter } from "./Meter.ts";
import type { RetryBudget } from "./RetryBudget.ts";

/** Everything that a fill needs. Plain data: it crosses to the Coalescer. */
export interface FillRequest {
  origin: OriginSettings;
  /** Under which callers of the same answer meet: the digest of an address, and more where they ask in another way. */
  key: string;
  /** Where the answer may be kept, by scope. At least one. */
  addresses: { public?: Address; private?: Address };
  method: string;
  era: Era;
  hints: boolean;
  rule: CacheRule;
  tags: readonly string[];
  /** Whether the tool's results are told to legacy callers wrapped. */
  isWrapped: boolean;
  /** Whether the origin is known to speak the earlier revisions only. */
  isLegacyOnly: boolean;
  /** Whether a page of a list other than the first. */
  laterPage: boolean;
  headers: Record<string, string>;
  /** The id of the JSON-RPC request. */
  id: string | number;
  /** The JSON-RPC request. */
  body: string;
  /** Whose pooled session it is asked in: its name in the pool. */
  pool?: string;
  /** The answer must be begun after the asking. */
  again: boolean;
  /** The answer must have been asked for later than this, epoch ms: another has just that one. */
  newerThan?: number;
  /** What the call costs whoever makes it. */
  toll?: Toll;
  /** What the answer may cost. */
  budget?: Budget;
  /** Whether it is refused first where there is no room. */
  isExpensive?: boolean;
  /** Names the caller who may leave before it comes. */
  ticket?: string;
  /** What the caller knows of the origin's feed. */
  known?: Known;
  /** What was known before, so that KV is written only where that is worth it. */
  previous?: Traits;
}

/** What a landing needs besides the request. */
export interface LandingTools extends AskingTools {
  now: () => number;
  random: () => number;
  /** How often may be asked again for what failed; absent: never. */
  retries?: RetryBudget;
}

/** Calls the origin for a fill, and makes an entry of the answer where it may be kept. */
export async function land(request: FillRequest, tools: LandingTools): Promise<Landing> {
  const { origin, method } = request;
  const askedAt = tools.now();
  const { reply, declined = [] } = await ask(request, tools);
  const tookMs = Math.max(0, tools.now() - askedAt);
  if ("tooLarge" in reply) return { kind: "too-large" };
  if ("failure" in reply) {
    const retryAfterMs = reply.failure.kind === "status" ? (reply.failure.retryAfterMs ?? 0) : 0;
    return { kind: "failed", failure: reply.failure, retryAfterMs };
  }
  const { status } = reply;
  const text = edits(origin, method) ? edited(reply.text, method, origin) : reply.text;
  // A legacy session binds the answer to itself; such an answer is nobody else's.
  const isOthers = reply.sessionId !== undefined && reply.sessionId !== request.headers["mcp-session-id"];
  if (declined.length > 0) return { kind: "reply", status, text, why: "declined", declined };
  if (status !== 200 || isOthers) return { kind: "reply", status, text, why: "error" };

  const made = neutralise(text, {
    method,
    era: request.era,
    rule: request.rule,
    hints: request.hints,
    tags: request.tags,
    isWrapped: request.isWrapped,
    isLegacyOnly: request.isLegacyOnly,
    askedAt,
    random: tools.random(),
    maxBytes: origin.entryBytes,
  });
  if (typeof made === "string") return { kind: "reply", status, text, why: made };
  const address = request.addresses[made.scope];
  if (!address) return { kind: "reply", status, text, why: "scope" };
  const { previous, known } = request;
  const entry: Entry = {
    ...made,
    ...(known && { feedId: known.feedId, seq: known.seq }),
    tookMs,
    hash: await hashOf(made.body, made.meta),
    savedAt: made.storedAt,
  };
  if (!needsSaving(entry, previous)) return { kind: "entry", entry: { ...entry, savedAt: previous!.savedAt }, status };
  // A legacy result has no hints, so that it is private says nothing of a public one beside it.
  const replaces = previous && previous.scope !== entry.scope && (entry.scope === "public" || entry.era === "modern");
  const replaced = replaces ? request.addresses[previous.scope] : undefined;
  const saving: Saving = {
    address,
    entry,
    demotes: isList(method) && isDemotion(request, entry),
    ...(replaced && { replaced }),
  };
  return { kind: "entry", entry, status, saving };
}

/** Asks the origin, and reads its answer, as far as that is within its budget. */
async function ask(request: FillRequest, tools: LandingTools): Promise<Told> {
  if (!request.budget) return askTwice(request, tools);
  const meter = new Meter(request.budget);
  const { abandoned = meter.signal } = tools;
  const told = await askTwice(request, { ...tools, abandoned: AbortSignal.any([abandoned, meter.signal]) }, meter);
  meter.stop();
  return meter.over ? { reply: { failure: meter.over } } : told;
}

/**
 * Asks, and once more where there was no connection, or it broke: whatever came of the first, a fill only ever reads. Not
 * in a session: there every message has an id that is used once.
 */
async function askTwice(request: FillRequest, tools: LandingTools, meter?: Meter): Promise<Told> {
  const { origin, pool, headers } = request;
  const { retries, now, abandoned } = tools;
  const askedAt = now();
  retries?.called(askedAt);
  const told = await askAtAnyCost(request, tools, meter);
  const isBroken = "failure" in told.reply && told.reply.failure.kind === "unreachable";
  if (!isBroken || pool !== undefined || headers["mcp-session-id"] !== undefined) return told;
  // Who has waited for long for the first is not to wait as long again.
  if (abandoned?.aborted || now() - askedAt > origin.firstByteMs || !retries?.take(now())) return told;
  return askAtAnyCost(request, tools, meter);
}

/**
 * Whether an answer turned private that was public before, or a page of a list that began as public (all pages have one
 * scope, server/utilities/caching).
 */
export function isDemotion(
  { method, era, rule, laterPage, previous }: Pick<FillRequest, "method" | "era" | "rule" | "laterPage" | "previous">,
  entry: Entry,
): boolean {
  if (entry.scope === "public" || rule.scope !== "origin" || era === "legacy") return false;
  return previous?.scope === "public" || (isList(method) && laterPage);
}
