import { lifetimeMs, type Entry } from "./entry.ts";

/**
 * Whether a refreshed entry has to be written to KV: when what it says or how it may be used has changed, or when the
 * copy there is past half its life. Writes are the dear part of KV.
 */
export function needsSaving(entry: Entry, previous: Entry | undefined): boolean {
  if (!previous || entry.hash !== previous.hash || entry.scope !== previous.scope) return true;
  // Jitter makes ttls of one policy differ a little; a changed policy makes them differ more.
  const [now, before] = [lifetimeMs(entry), lifetimeMs(previous)];
  if (Math.abs(now - before) > 0.25 * Math.max(now, before)) return true;
  return entry.storedAt - previous.savedAt > before / 2;
}
