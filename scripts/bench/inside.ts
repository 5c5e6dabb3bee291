/** What is asked of the Worker that measures hits from within, and what it says. */

/** One row of a comparison within one process. */
export interface Variant {
  entries: number;
  tools: number;
  /** How many tags the isolate knows to be invalidated, none of them of the entries; absent where it has never heard of the feed. */
  invalidations?: number;
  /** Every hit is the first since the isolate has heard something new. */
  hearsAlways?: boolean;
  /** Who asks. Default: anybody, for access is open. */
  asker?: Asker;
}

/**
 * Who asks: anybody; with an API key; with a token; with a token whose calls are counted, by what lets everything pass and
 * costs nothing; the same at the local rate-limit binding; with a token that the isolate has not seen before, each time.
 */
export type Asker = "anybody" | "key" | "token" | "counted token" | "locally counted token" | "new token";

/** The rate-limit binding at which they are counted. */
export const LIMITER = "EDGE_LIMIT";

/** What the parts of a hit cost, in ns. */
export interface Profile {
  parts: { name: string; ns: number }[];
  whole: number;
}
