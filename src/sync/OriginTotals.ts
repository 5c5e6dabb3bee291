import type { Isolates, Kept } from "./Totals.ts";

/** Whether an origin is up, and since when (epoch ms). */
export interface HealthShown {
  state: "up" | "down";
  since: number;
}

/** What an `OriginSync` shows of its origin. Plain data: it crosses to the Worker. */
export interface OriginTotals {
  counted: Kept;
  isolates: Isolates;
  /** How far the feed has come, and how many tags it remembers. */
  feed: { feedId: string; seq: number; tags: number };
  /** Absent where nobody has looked. */
  health?: HealthShown;
  /** How its stream of changes stands; absent where there is none. */
  listen?: { state: string; since?: number };
}
