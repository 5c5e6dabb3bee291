import type { Skipped } from "./Source.ts";

/** How a collection stands, as operators are shown it. Times are epoch ms. */
export interface MirrorStatus {
  origin: string;
  collection: string;
  /** 0 before the first pull has come to its end. */
  version: number;
  rows: number;
  /** When the origin was asked for what the version says; `null` before the first. */
  asOf: number | null;
  /** The pull that is under way. */
  pulling: PullProgress | null;
  /** The last pull that came to its end. */
  pulled: PullReport | null;
  /** The last pull that failed since then. */
  failed: (PullProblem & { at: number; times: number }) | null;
  /** How many pulls came to their end, and how many tries of one failed, since the mirror began. */
  pulls: { done: number; failed: number };
  /** When the next pull begins. */
  nextAt: number | null;
  /** Rows that are to be asked for again. */
  suspect: number;
  /** By tool. */
  verified: Record<string, VerifiedCounts>;
  /** Since when tools are not answered from it, as too many of their answers were wrong. */
  stopped: Record<string, number>;
}

/** How far a pull is. */
export interface PullProgress {
  startedAt: number;
  rows: number;
  pages: number;
  /** How many rows it will bring: as the origin says, else as many as there were; absent where nobody knows. */
  expected?: number;
}

/** What a pull has brought. */
export interface PullReport {
  startedAt: number;
  endedAt: number;
  rows: number;
  pages: number;
  added: number;
  changed: number;
  removed: number;
  /** Rows written in D1 for it, those of indexes included. */
  written: number;
  /** How many resources are not mirrored, and some of them. Absent where all are. */
  skipped?: { count: number; some: Skipped[] };
}

/** Why a pull was given up. What was there before is kept. */
export interface PullProblem {
  code:
    | "origin-failed"
    | "bad-page"
    | "no-key"
    | "duplicate-keys"
    | "wrong-type"
    | "row-too-large"
    | "too-many-rows"
    | "too-few-rows"
    | "cursor-loops"
    | "pages-changed"
    | "store-failed";
  /** A plain sentence: what was found, where, how often, and what to do. Nothing of what is in the rows but names of members. */
  message: string;
  /** Rows, or pages, with this problem. */
  count: number;
}

/** What came of comparing answers with the origin's. */
export interface VerifiedCounts {
  matches: number;
  mismatches: number;
  /** How old what was wrong was, at most, ms: the longest. The origin has changed it at some time in between. */
  staleMs: number;
}
