import type { Duration } from "./duration.ts";

/** What a call of a tool changes at the origin, and how it gets there. */
export interface WriteConfig {
  /**
   * Tags that a call invalidates when it has succeeded, templates over its arguments (`product:{sku}`). Also those that
   * entries have without saying so: `tool:NAME`, `resource:x://{id}`, `prompt:NAME`, `list:tools`,
   * `collection:NAME`, `origin`. 1 to 32. May be left out where `queue` or `idempotent` is said. Default: none.
   */
  invalidates?: string[];
  /**
   * Keep its calls while they cannot be sent, and send them later: `"when-down"`, while the origin is down; `"always"`, a caller
   * who knows tasks gets one at once, whether it is or not. Default: they are never sent later.
   */
  queue?: "when-down" | "always";
  /**
   * Calls that have this in common are sent one after the other, in the order in which they were accepted: a template over the
   * arguments (`product:{sku}`). `false`: in no order. With `queue` or `idempotent`. Default: all of one caller's.
   */
  orderBy?: string | false;
  /**
   * Whether a call may be sent again after a failure that does not tell whether it was executed. `true`: the tool does the same
   * however often it is called. `{ argument }`, `{ header }`: the origin takes calls with the same value of it for one; the
   * replica fills it in, the argument where the caller has not. `"annotated"`: where the origin marks the tool
   * `idempotentHint: true`. Default: `false`.
   */
  idempotent?: boolean | "annotated" | { argument: string } | { header: string };
  /**
   * What a caller gets who knows no tasks, where its call cannot be sent now: `"refuse"`, an error, and nothing is sent later;
   * `"notify"`, an error that says that it is queued and not executed, with the id of the operation. With `queue`. Default: `"refuse"`.
   */
  unlessTask?: "refuse" | "notify";
  /** What becomes of those behind one of which nobody knows what became, or that was given up: `"park"`, they wait; `"skip"`, they go on. Default: `"park"`. */
  ifStuck?: "park" | "skip";
}

/** Bounds of an origin's queue of writes. */
export interface OutboxConfig {
  /** How many writes may be open in all. At most 1,000,000. Default: 10,000. */
  depth?: number;
  /** How much their arguments may take together, at most `"1024MB"`. Default: `"64MB"`. */
  bytes?: string;
  /** How many one caller may have open. Default: 1,000. */
  callerDepth?: number;
  /** How much one caller's may take. Default: `"16MB"`. */
  callerBytes?: string;
  /** How long a write is tried, from when it was accepted; 1 min to 30 days. Default: `"24h"`. */
  maxAge?: Duration;
  /** How long what has become of it is kept; 24 h to 30 days. Default: `"24h"`. */
  retention?: Duration;
}

/**
 * What is done with a kept answer that a queued write is about to change: `"stale"`, it is given, and says so; `"refuse"`, an
 * error is given instead.
 */
export type ReadPending = "stale" | "refuse";
