import { lifetimeMs, type Entry } from "./entry.ts";

/** What has to be known of an entry to say whether another needs saving in its place: all but what it says. */
export type Traits = Pick<
  Entry,
  "hash" | "scope" | "savedAt" | "ttlMs" | "staleWhileRevalidateMs" | "staleIfErrorMs" | "isDoubted"
>;

/** The traits of an entry, without its body. */
export function traitsOf(entry: Entry): Traits {
  const { hash, scope, savedAt, ttlMs, staleWhileRevalidateMs, staleIfErrorMs, isDoubted } = entry;
  return { hash, scope, savedAt, ttlMs, staleWhileRevalidateMs, staleIfErrorMs, ...(isDoubted && { isDoubted }) };
}

/**
 * Whether a refreshed entry has to be written to KV: when what it says or how it may be used has changed, when
 * the copy there was invalidated, or when it is past half its life. Writes are the dear part of KV.
 */
export function needsSaving(entry: Entry, previous: Traits | undefined): boolean {
  if (!previous || entry.hash !== previous.hash || entry.scope !== previous.scope) return true;
  // The copy in KV would be doubted wherever it is read.
  if (previous.isDoubted) return true;
  // Jitter makes ttls of one policy differ a little; a changed policy makes them differ more.
  const [now, before] = [lifetimeMs(entry), lifetimeMs(previous)];
  if (Math.abs(now - before) > 0.25 * Math.max(now, before)) return true;
  return entry.storedAt - previous.savedAt > before / 2;
}
