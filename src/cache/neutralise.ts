import type { CacheRule } from "../config/replica.ts";
import { isObject } from "../mcp/isObject.ts";
import { membersOf } from "../mcp/members.ts";
import { META_CACHE, META_CACHE_CONTROL, META_SUBSCRIPTION } from "../mcp/names.ts";
import type { Era } from "../mcp/versions.ts";
import { directiveMs, parseCacheControl, type Directives } from "./cacheControl.ts";
import type { Entry } from "./entry.ts";
import { legacyPatches } from "./legacyPatches.ts";
import { modernPatches } from "./modernPatches.ts";
import { isNeutral, resultMembers } from "./resultMembers.ts";

/** Why a result is not kept. */
export type Unstorable =
  | "error"
  | "is-error"
  | "not-complete"
  | "ambiguous"
  | "too-large"
  | "no-store"
  | "nothing-promised";

/** Why a good result is not kept, although one before it was: what is kept is no longer the origin's answer. */
export const SUPERSEDING: ReadonlySet<string> = new Set<Unstorable>([
  "not-complete",
  "ambiguous",
  "too-large",
  "no-store",
  "nothing-promised",
]);

/** Everything that decides how a result is kept. */
export interface Circumstances {
  method: string;
  era: Era;
  rule: CacheRule;
  /** Whether the protocol gives this method's results `ttlMs` and `cacheScope`. */
  hints: boolean;
  tags: readonly string[];
  /** When the origin was asked, epoch ms. */
  askedAt: number;
  /** A number of 0 to 1, for the jitter that keeps entries filled together from lapsing together. */
  random: number;
  maxBytes: number;
  /** Whether the tool's output schema is told to legacy callers wrapped, so that its results are as well. */
  isWrapped?: boolean;
  /** Whether the origin is known to speak the earlier revisions only: what it says is no other form of something else. */
  isLegacyOnly?: boolean;
}

/** The most that any entry is fresh for; SDK clients cap at the same. */
const MAX_TTL_MS = 86_400_000;

/** `_meta` members of a result that belong to one exchange. */
const EXCHANGE_META: ReadonlySet<string> = new Set([
  META_CACHE,
  META_CACHE_CONTROL,
  META_SUBSCRIPTION,
  "traceparent",
  "tracestate",
  "baggage",
]);

/**
 * Turns the origin's reply (the text of one JSON-RPC response) into an entry without its hash, or says why it is not
 * kept. The members are cut out of the text, not written anew: what the origin wrote is what callers get.
 */
export function neutralise(reply: string, at: Circumstances): Omit<Entry, "hash" | "savedAt"> | Unstorable {
  // Bytes are never fewer than characters, so that what is far too large is not even parsed.
  if (reply.length > at.maxBytes) return "too-large";
  const message: unknown = JSON.parse(reply);
  const result = isObject(message) ? message["result"] : undefined;
  if (!isObject(message) || !isObject(result) || message["error"] !== undefined) return "error";
  if (result["isError"] === true) return "is-error";
  if (at.era === "modern" || result["resultType"] !== undefined) {
    // Absent is complete only for servers of earlier revisions (basic, Results).
    if (result["resultType"] !== "complete") return "not-complete";
  }
  if (new TextEncoder().encode(reply).length > at.maxBytes) return "too-large";

  const members = resultMembers(reply);
  if (!members) return "ambiguous";
  const metaMember = members.find(({ key }) => key === "_meta");
  if (metaMember && !isObject(result["_meta"])) return "ambiguous";
  const hinted = at.hints || at.rule.clientTtlMs !== undefined;
  const kept = members.filter(({ key }) => isNeutral(key, hinted));
  const metaKept = (metaMember ? membersOf(reply, metaMember.valueStart) : []).filter(
    ({ key }) => !EXCHANGE_META.has(key),
  );

  const times = timesOf(result, at);
  if (times === "no-store") return times;
  if (times.ttlMs + times.staleWhileRevalidateMs + times.staleIfErrorMs === 0) return "nothing-promised";

  let body = "";
  let contentEnd = 0;
  for (const { key, start, end } of kept) {
    body += (body && ",") + reply.slice(start, end);
    if (at.rule.tell && key === "content" && Array.isArray(result["content"])) contentEnd = body.length - 1;
  }
  const meta = metaKept.map(({ start, end }) => reply.slice(start, end)).join(",");
  const only = onlyIn(at, result);
  const legacy = at.era === "modern" ? legacyPatches(at.method, result, body, at.isWrapped ?? false) : [];
  const modern = at.era === "legacy" ? modernPatches(at.method, result, body) : [];
  return {
    ...times,
    era: at.era,
    ...(only && { only }),
    ...(legacy.length > 0 && { legacy }),
    ...(modern.length > 0 && { modern }),
    tags: at.tags,
    body,
    meta,
    contentEnd,
  };
}

type EntryTimes = Omit<Entry, "hash" | "savedAt" | "era" | "body" | "meta" | "contentEnd" | "only" | "tags" | Era>;

function timesOf(result: Record<string, unknown>, at: Circumstances): EntryTimes | "no-store" {
  const { rule } = at;
  const meta = result["_meta"];
  const hint = isObject(meta) && typeof meta[META_CACHE_CONTROL] === "string" ? meta[META_CACHE_CONTROL] : "";
  const directives = parseCacheControl(hint);
  if (directives.has("no-store")) return "no-store";
  const promised = promisedMs(result, at, directives);
  const ttlMs = rule.ttlMs ?? promised ?? rule.defaultTtlMs;
  const jittered = ttlMs * (0.9 + 0.2 * at.random);
  // What the origin promised is a bound, so there jitter only shortens.
  const fromOrigin = rule.ttlMs === undefined && promised !== undefined;
  return {
    storedAt: at.askedAt,
    ttlMs: Math.round(Math.min(fromOrigin ? Math.min(jittered, ttlMs) : jittered, MAX_TTL_MS)),
    staleWhileRevalidateMs: directives.has("must-revalidate") ? 0 : rule.staleWhileRevalidateMs,
    staleIfErrorMs: directives.has("must-revalidate") ? 0 : rule.staleIfErrorMs,
    promisedMs: fromOrigin ? Math.min(ttlMs, MAX_TTL_MS) : 0,
    ...(rule.clientTtlMs !== undefined && { clientTtlMs: rule.clientTtlMs }),
    scope: scopeOf(result, at, directives),
  };
}

/** The origin's own ttl: its targeted hint, else `ttlMs` where the protocol has one (absent or broken = none, negative = 0). */
function promisedMs(result: Record<string, unknown>, at: Circumstances, directives: Directives): number | undefined {
  if (directives.has("no-cache")) return 0;
  const targeted = directiveMs(directives, "max-age");
  if (targeted !== undefined) return targeted;
  return protocolTtlMs(result, at);
}

function protocolTtlMs(result: Record<string, unknown>, at: Circumstances): number | undefined {
  // Hints are the modern revision's; what a legacy origin calls `ttlMs` is its own affair.
  const ttlMs = at.hints && at.era === "modern" ? result["ttlMs"] : undefined;
  if (ttlMs === undefined) return undefined;
  return typeof ttlMs === "number" && Number.isInteger(ttlMs) && ttlMs > 0 ? ttlMs : 0;
}

/**
 * The stricter of origin and operator. `public` beside `ttlMs` 0 counts as private: some SDKs write it on every result,
 * so it is no evidence that anybody meant it.
 */
function scopeOf(result: Record<string, unknown>, at: Circumstances, directives: Directives): Entry["scope"] {
  if (at.rule.scope !== "origin") return at.rule.scope;
  if (directives.has("private")) return "private";
  if (directives.has("public")) return "public";
  if (directives.has("no-cache") || result["cacheScope"] !== "public") return "private";
  return (protocolTtlMs(result, at) ?? 0) > 0 ? "public" : "private";
}

/** Legacy results that may be wrapped modern ones: what they are to a modern caller nobody can tell, so they are kept to their era. */
function onlyIn(at: Circumstances, result: Record<string, unknown>): Era | undefined {
  if (at.era === "modern" || at.isLegacyOnly) return undefined;
  if (at.method === "tools/call") return hasOnlyResult(result["structuredContent"]) ? "legacy" : undefined;
  if (at.method !== "tools/list" || !Array.isArray(result["tools"])) return undefined;
  const schemas = result["tools"].map((tool) => (isObject(tool) ? tool["outputSchema"] : undefined)).filter(isObject);
  return schemas.some((schema) => hasOnlyResult(schema["properties"])) ? "legacy" : undefined;
}

/** Modern results may be any JSON; SDK servers tell those that are no object to legacy callers as `{ "result": … }`. */
function hasOnlyResult(value: unknown): boolean {
  return isObject(value) && Object.keys(value).length === 1 && Object.hasOwn(value, "result");
}
