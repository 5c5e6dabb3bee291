import type { Place } from "../cache/concerning.ts";
import type { Entry } from "../cache/entry.ts";
import type { Verdict } from "../sync/FeedView.ts";
import type { Exchange } from "./Exchange.ts";

/** An entry as it may be used after what the feed says of it; `undefined` where it is gone. */
export function judged(x: Exchange, place: Place, entry: Entry): Entry | undefined {
  return under(x.feed.judge(entry, place), entry);
}

/** An entry as it may be used where the feed says that of it. */
export function under(verdict: Verdict, entry: Entry): Entry | undefined {
  if (verdict === "sound") return entry;
  if (verdict === "gone") return undefined;
  const { ttlMs, staleWhileRevalidateMs, staleIfErrorMs, clientTtlMs: _, ...rest } = entry;
  return {
    ...rest,
    ttlMs: 0,
    staleWhileRevalidateMs: 0,
    // What was invalidated stands in for a failing origin only where the operator lets stale answers do so. What merely
    // may have been does so as long as it would have been answered at all.
    staleIfErrorMs:
      verdict === "suspect"
        ? ttlMs + Math.max(staleWhileRevalidateMs, staleIfErrorMs)
        : staleIfErrorMs && ttlMs + staleIfErrorMs,
    promisedMs: 0,
    isDoubted: true,
  };
}
