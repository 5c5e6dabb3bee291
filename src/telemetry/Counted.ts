import type { RequestResult } from "./events.ts";
import type { Histogram } from "./Histogram.ts";

/** How often each way of answering was taken. */
export type Counts = Record<RequestResult, number>;

/** What was counted of an origin: by an isolate since its last pulse, or by all of them ever since. Plain data. */
export interface Counted {
  /** `name` is empty where the method names nothing. */
  operations: { method: string; name: string; counts: Counts }[];
  /** How long answers took until they began; in ms. */
  durations: { method: string; histogram: Histogram }[];
  /** How old the answers were that came from the cache; in ms. */
  ages: Histogram;
  /** Operations that were answered without a call to the origin of their own. */
  saved: number;
  /** Answers from the cache that were given without news of what was invalidated. */
  detached: number;
  /** When the origin was last asked for something that was then kept, epoch ms; 0 where it never was. */
  refreshedAt: number;
}

/** What stands for every name, or method, that is not known to be one. */
export const OTHER = "other";

/** Nothing counted. */
export function noCounts(): Counts {
  return { hit: 0, stale: 0, miss: 0, relay: 0, local: 0, error: 0 };
}
