import { ageMs, freshness, promiseMs } from "./freshness.ts";
import type { Entry, Patch } from "./entry.ts";
import { META_CACHE, META_SERVER_INFO } from "../mcp/names.ts";
import type { Era } from "../mcp/versions.ts";

/** How an answer stands to the cache, as callers are told. */
export type CacheWord = "hit" | "stale" | "miss";

/** To whom an entry is told, and when. */
export interface Telling {
  era: Era;
  id: string | number;
  status: CacheWord;
  /** Whether the method's results carry `ttlMs` and `cacheScope`. */
  hints: boolean;
  /** What the origin calls itself: for modern callers, in results of an era that does not say it. */
  serverInfo?: unknown;
  /** Whether it is given without news of what was invalidated. */
  detached?: boolean;
  /** How many queued writes are about to change it; absent: none. Then callers are promised nothing. */
  pendingWrites?: number;
  /** Whether the caller may use only some things: what it is shown is nobody else's. */
  isLimited?: boolean;
  /** Epoch ms. */
  now: number;
}

/** The JSON-RPC response that tells an entry to a caller: text joined to text, nothing parsed. */
export function tell(entry: Entry, to: Telling): string {
  const age = ageMs(entry, to.now);
  const word = to.status === "hit" && freshness(entry, to.now) !== "fresh" ? "stale" : to.status;
  const body = bodyOf(entry, to.era, word === "stale" ? age : undefined);
  const cache = `"${META_CACHE}":{"status":"${word}","ageMs":${age},"storedAt":${entry.storedAt}${to.detached ? ',"detached":true' : ""}${to.pendingWrites ? `,"pendingWrites":${to.pendingWrites}` : ""}}`;
  const meta = `"_meta":{${entry.meta === "" ? "" : `${entry.meta},`}${nameOf(entry, to)}${cache}}`;
  const open = `{"jsonrpc":"2.0","id":${typeof to.id === "number" ? to.id : JSON.stringify(to.id)},"result":{${body}${body === "" ? "" : ","}`;
  if (to.era === "legacy") return `${open}${meta}}}`;
  return `${open}"resultType":"complete",${hintsOf(entry, to)}${meta}}}`;
}

function nameOf(entry: Entry, { era, serverInfo }: Telling): string {
  if (era === "legacy" || entry.era === "modern" || serverInfo === undefined) return "";
  return entry.meta.includes(META_SERVER_INFO) ? "" : `"${META_SERVER_INFO}":${JSON.stringify(serverInfo)},`;
}

function hintsOf(entry: Entry, to: Telling): string {
  // Without hints in the protocol, only the operator's `clientTtl` gives the caller any.
  if (!to.hints && entry.clientTtlMs === undefined) return "";
  return `"ttlMs":${to.pendingWrites ? 0 : promiseMs(entry, to.now)},"cacheScope":"${to.isLimited ? "private" : entry.scope}",`;
}

/** The body as the era has it; where it is stale and the operator wants that told, with its age. */
function bodyOf(entry: Entry, era: Era, staleAgeMs: number | undefined): string {
  const patches = [...(entry[era] ?? [])];
  if (staleAgeMs !== undefined && entry.contentEnd > 0) patches.push(notice(entry, staleAgeMs));
  if (patches.length === 0) return entry.body;
  let body = "";
  let at = 0;
  for (const { start, end, text } of patches.sort((a, b) => a.start - b.start)) {
    body += entry.body.slice(at, start) + text;
    at = end;
  }
  return body + entry.body.slice(at);
}

/** One more text block, for models, which see neither `_meta` nor headers. */
function notice(entry: Entry, age: number): Patch {
  const before = entry.body.slice(0, entry.contentEnd);
  const stored = new Date(entry.storedAt).toISOString();
  const block = JSON.stringify({
    type: "text",
    text: `Note: this answer is ${spoken(age)} old (from ${stored}); the source could not be asked again yet.`,
  });
  const text = `${/\[\s*$/.test(before) ? "" : ","}${block}`;
  return { start: entry.contentEnd, end: entry.contentEnd, text };
}

/** An age as one says it: the largest unit that counts at least two, else the unit itself. */
function spoken(ms: number): string {
  const seconds = Math.round(ms / 1_000);
  const [count, unit] =
    seconds < 120
      ? [seconds, "second"]
      : seconds < 7_200
        ? [Math.round(seconds / 60), "minute"]
        : [Math.round(seconds / 3_600), "hour"];
  return `${count} ${unit}${count === 1 ? "" : "s"}`;
}
