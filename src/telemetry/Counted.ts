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
  /** What came of comparing answers with the origin's. Absent in what an earlier version of the Worker has counted. */
  verified?: Verified[];
  /** How old the answers were that were wrong; in ms. Absent like that. */
  staleness?: Histogram;
  /** When the origin was last asked for something that was then kept, epoch ms; 0 where it never was. */
  refreshedAt: number;
}

/** Where an answer came from that was compared with the origin's. */
export type VerifiedLane = "cache" | "mirror";

/** How the answers of a tool compared with the origin's. */
export interface Verified {
  name: string;
  lane: VerifiedLane;
  matches: number;
  mismatches: number;
  /** How old the oldest was that was wrong, ms: so long at most the replica said what the origin did not any more. */
  staleMs: number;
}

/** The counts of a tool among others, added where they are missing. Beyond `most` of them, further tools are counted together. */
export function verifiedOf(all: Verified[], name: string, lane: VerifiedLane, most: number): Verified {
  const known = all.find((one) => one.name === name && one.lane === lane);
  if (known) return known;
  if (name !== OTHER && all.length >= most) return verifiedOf(all, OTHER, lane, most);
  const own = { name, lane, matches: 0, mismatches: 0, staleMs: 0 };
  all.push(own);
  return own;
}

/** What stands for every name, or method, that is not known to be one. */
export const OTHER = "other";

/** Nothing counted. */
export function noCounts(): Counts {
  return { hit: 0, stale: 0, miss: 0, relay: 0, local: 0, error: 0 };
}
