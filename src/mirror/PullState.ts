import type { PullProblem, PullProgress, PullReport } from "./MirrorStatus.ts";
import type { OriginFailure } from "../origin/failure.ts";
import type { Skipped } from "./Source.ts";

/** How far an origin's feed is known. */
export interface Position {
  feedId: string | null;
  seq: number;
}

/** How far a pull is. Plain JSON: it is kept between steps. */
export interface PullState {
  /** When the pull began, epoch ms. */
  startedAt: number;
  /** When the origin was asked for the first page, epoch ms: later where the pull has started over. */
  asOf: number;
  /** How far the feed was known when it began. */
  position: Position;
  /** The version that readers see meanwhile, and how many rows it has. */
  base: number;
  size: number;
  /** The largest id of a row when the step ended. */
  top: number;
  /** Whether there may be rows that were written for the next version and are not part of what the origin has said since. */
  isRedo: boolean;
  /** What comes next: a page; the first page once more; a part of what was there before; the switch. */
  next: "page" | "confirm" | "scan" | "switch";
  cursor?: string;
  /** How often it has started over. */
  again: number;
  rows: number;
  pages: number;
  /** How many pages had no row. */
  empty: number;
  /** How many requests the origin got. */
  requests: number;
  added: number;
  changed: number;
  written: number;
  /** Digest of the keys on the first page. */
  first?: string;
  /** The id up to which has been looked at what was there before. */
  scanned: number;
  /** How many rows the origin says there are. */
  total?: number;
  /** How many resources were left out, and some of them. */
  skipped: number;
  skippedSome: Skipped[];
}

/** What a step may use. */
export interface Budget {
  /** Requests to the origin and to D1, and ms. What is begun is brought to its end: a page takes a few requests more. */
  requests: number;
  ms: number;
}

/** What a step came to. A state that is given is kept, and `Seen.save` called with it: no `await` between. */
export type PullStep =
  /** There is more to do. */
  | { kind: "goes-on"; state: PullState }
  /** The origin changed under way: there is all to do again. */
  | { kind: "start-over"; state: PullState; problem: PullProblem }
  /** Readers see what was pulled. `version` is what they see now: where nothing has changed the same as `before`. */
  | { kind: "done"; report: PullReport; version: number; before: number }
  /**
   * Given up. With a `state` the pull may go on from there some time later, as the origin or D1 failed; `failure` says how the
   * origin did. Without one, or without going on, the next pull begins anew.
   */
  | { kind: "failed"; problem: PullProblem; state?: PullState; failure?: OriginFailure };

/** What operators are shown of a pull that is under way. */
export function progressOf({ startedAt, rows, pages, total, base, size }: PullState): PullProgress {
  const expected = total ?? (base === 0 ? undefined : size);
  return { startedAt, rows, pages, ...(expected !== undefined && { expected }) };
}
