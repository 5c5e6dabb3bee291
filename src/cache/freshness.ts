import { lifetimeMs, type Entry } from "./entry.ts";

/** What may be done with an entry now. */
export type Freshness =
  /** Answer it. */
  | "fresh"
  /** Answer it, and refresh behind (RFC 5861, stale-while-revalidate). */
  | "stale"
  /** Refresh first; answer it only if the origin fails (RFC 5861, stale-if-error). */
  | "stale-if-error"
  /** As if it were not there. */
  | "expired";

/** The times of an entry that its freshness depends on. */
export type Times = Pick<Entry, "storedAt" | "ttlMs" | "staleWhileRevalidateMs" | "staleIfErrorMs">;

/** An entry from further in the future than this was stored by a clock that cannot be trusted. */
const MAX_SKEW_MS = 60_000;

/** The state of an entry at `now` (epoch ms). */
export function freshness(entry: Times, now: number): Freshness {
  if (isOfFuture(entry, now)) return "expired";
  const age = ageMs(entry, now);
  if (age < entry.ttlMs) return "fresh";
  if (age < entry.ttlMs + entry.staleWhileRevalidateMs) return "stale";
  return age < lifetimeMs(entry) ? "stale-if-error" : "expired";
}

/** Whether an entry claims to be so new that a wrong clock must have stored it: it would never give way to any other. */
export function isOfFuture(entry: Pick<Entry, "storedAt">, now: number): boolean {
  return entry.storedAt - now > MAX_SKEW_MS;
}

/** How old the entry is, in ms; never negative. */
export function ageMs(entry: Pick<Entry, "storedAt">, now: number): number {
  return Math.max(0, now - entry.storedAt);
}

/**
 * What a caller may be promised: no more than what remains of the entry, and of what the origin itself promised. A
 * caller's cache cannot be told otherwise later, so an operator's ttl is not passed on unless `clientTtl` says so.
 */
export function promiseMs(entry: Times & Pick<Entry, "promisedMs" | "clientTtlMs">, now: number): number {
  if (freshness(entry, now) !== "fresh") return 0;
  const age = ageMs(entry, now);
  const remaining = entry.ttlMs - age;
  const promised = entry.clientTtlMs ?? Math.max(0, entry.promisedMs - age);
  return Math.floor(Math.min(remaining, promised));
}
