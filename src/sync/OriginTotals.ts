import type { Counts } from "../origin/Breaker.ts";
import type { Health } from "./Health.ts";
import type { ToolChange } from "./ToolChange.ts";
import type { ListenStatus } from "./ListenStatus.ts";
import type { Isolates, Kept } from "./Totals.ts";

/** What an `OriginSync` shows of its origin. Plain data: it crosses to the Worker. */
export interface OriginTotals {
  counted: Kept;
  isolates: Isolates;
  /** How far the feed has come, and how many tags it remembers. */
  feed: { feedId: string; seq: number; tags: number };
  /** How the origin is, and how the calls of the last half minute ended. */
  health: Health & Counts;
  /** How listening at the origin stands. */
  listen: ListenStatus;
  /** The tools that changed lately, the newest first. */
  toolChanges: ToolChange[];
}
