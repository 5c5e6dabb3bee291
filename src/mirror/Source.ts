import type { OriginFailure } from "../origin/failure.ts";

/** Where the rows of a collection come from: the origin, asked with the replica's own credential. Never throws. */
export interface Source {
  /** A page; the first without a cursor. */
  page(cursor: string | undefined): Promise<Page | NoPage>;
  /**
   * One row, by its key's parts in the order of `key`; `uri` is the resource that it came from, where that is known. Whether
   * what comes has that key is for who asked to see.
   */
  one(key: readonly string[], uri?: string): Promise<One | NoPage>;
}

/** What a page brought. */
export interface Page {
  /** Rows as they came, not looked at yet; for `RESOURCES` each a `MirroredResult`. */
  rows: unknown[];
  /** The resource that each row came from, place by place. Absent where rows come from a tool, and for `RESOURCES`. */
  uris?: string[];
  /** For the next page; absent on the last. */
  next?: string;
  /** How many rows there are in all, where the origin says so. */
  total?: number;
  /** How many requests it took. */
  requests: number;
  /** Resources that are not mirrored, so that the origin is asked for them: only for `RESOURCES`. Absent where there are none. */
  skipped?: Skipped[];
}

/** A resource that is not mirrored, and why, in a few words. */
export interface Skipped {
  uri: string;
  why: string;
}

/** What the origin said when it was asked for one row. */
export type One =
  | { row: unknown; uri?: string }
  /** There is none with this key. */
  | { gone: true };

/** Why there is no page, or no row. */
export type NoPage =
  | { failure: OriginFailure }
  /** What came is none: `bad` is a plain sentence that says what it is, and nothing of what is in it. */
  | { bad: string };

/** A result of one of the resource methods, as it is mirrored. */
export interface MirroredResult {
  /** `read:<uri>`, `list:<nth page>` or `templates:<nth page>`, counted from 0. */
  key: string;
  /** The result's members in neutral form, as in `Entry.body`; of a list without `nextCursor`. */
  body: string;
}
