/** What is asked of the Worker that measures hits from within, and what it says. */

/** One row of a comparison within one process. */
export interface Variant {
  entries: number;
  tools: number;
}

/** What the parts of a hit cost, in ns. */
export interface Profile {
  parts: { name: string; ns: number }[];
  whole: number;
}
