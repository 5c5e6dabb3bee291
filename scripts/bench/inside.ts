/** What is asked of the Worker that measures hits from within, and what it says. */

/** One row of a comparison within one process. */
export interface Variant {
  entries: number;
  tools: number;
  /** How many tags the isolate knows to be invalidated, none of them of the entries; absent where it has never heard of the feed. */
  invalidations?: number;
  /** Every hit is the first since the isolate has heard something new. */
  hearsAlways?: boolean;
}

/** What the parts of a hit cost, in ns. */
export interface Profile {
  parts: { name: string; ns: number }[];
  whole: number;
}
