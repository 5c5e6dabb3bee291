import type { Era } from "../mcp/versions.ts";

/** What stands in the place of a part of a text. */
export interface Patch {
  start: number;
  end: number;
  text: string;
}

/** A place in an origin's feed: everything that it had told of by then was known. */
export interface Position {
  feedId: string;
  seq: number;
}

/** One stored result in neutral form: without what differs between eras, callers and moments. Times are epoch ms or ms. */
export interface Entry {
  /** When the origin was asked for it, so that age is never understated. */
  storedAt: number;
  ttlMs: number;
  staleWhileRevalidateMs: number;
  staleIfErrorMs: number;
  /** What the origin itself promised, counted from `storedAt`: the most that a caller may be promised. 0 where the ttl is the operator's. */
  promisedMs: number;
  /** What the operator lets callers keep instead. */
  clientTtlMs?: number;
  scope: "public" | "private";
  /** The era in which the origin was asked. */
  era: Era;
  /** The only era that this result can be told in without translating it. Absent where it fits both. */
  only?: Era;
  /** What legacy callers are told otherwise in `body`: structured content and output schemas that are no objects, wrapped (SEP-2106). Absent where nothing is. */
  legacy?: readonly Patch[];
  /** What modern callers are told otherwise in `body`: tools without `execution`. Absent where nothing is. */
  modern?: readonly Patch[];
  /** Of an answer to `initialize`: whether the origin opened a session with it. */
  opensSession?: true;
  tags: readonly string[];
  /** The feed that was known, and how far, before the origin was asked. Absent where none was. */
  feedId?: string;
  seq?: number;
  /** How long the origin took for it, ms. Absent where nobody has measured. */
  tookMs?: number;
  /** When the copy in KV was stored, as far as this isolate knows: a refresh that changes nothing need not write it again. Not stored. */
  savedAt: number;
  /** The version of the isolate's view of the feed that last had nothing against the entry. Not stored. */
  soundAt?: number;
  /** That it has been invalidated, or may have been: it stands in for an origin that fails, and no more. Not stored. */
  isDoubted?: true;
  /** Of what is answered from a mirror: how many queued writes wait for its rows, as far as its tags do not say. Not stored. */
  pendingWrites?: number;
  /** SHA-256 of body and meta, in hex. */
  hash: string;
  /** The result's members as the origin wrote them, but for `resultType`, `ttlMs`, `cacheScope` and `_meta`. Without braces. */
  body: string;
  /** The members of the result's `_meta`, without braces. */
  meta: string;
  /** Where the `content` array closes in `body`; 0 where stale answers are not told to the model. */
  contentEnd: number;
}

/** How long the entry can serve anyone at all, in ms from `storedAt`. */
export function lifetimeMs(entry: Pick<Entry, "ttlMs" | "staleWhileRevalidateMs" | "staleIfErrorMs">): number {
  return entry.ttlMs + Math.max(entry.staleWhileRevalidateMs, entry.staleIfErrorMs);
}
