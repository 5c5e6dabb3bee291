import { backoffMs } from "./backoff.ts";
import type { Ending } from "./Ending.ts";
import { isPending, type Operation, type OperationReason } from "./Operation.ts";

/** How often an operation is sent before it is given up. */
export const MAX_ATTEMPTS = 20;

/** What happens to an operation. Times are epoch ms. */
export type OperationEvent =
  /** Its caller is told that it will be sent; it is tried until `givesUpAt` at least. */
  | { kind: "promise"; givesUpAt: number }
  | { kind: "lease"; until: number }
  /** It is not to be sent before `until`. */
  | { kind: "rest"; until: number }
  /** Sending it has ended. `isLate`: it was not being sent any more, or it is being sent again. */
  | { kind: "end"; ending: Ending; isLate?: boolean }
  /** The delivery was lost with the object, or its lease is over. */
  | { kind: "lose" }
  /** It is past `givesUpAt`. */
  | { kind: "expire" }
  | { kind: "cancel" }
  /** By the operator; `why` in its words. */
  | { kind: "discard"; why: string }
  | { kind: "redrive"; givesUpAt: number };

/** The clock (epoch ms) and chance (0 to 1) of one step. */
export interface Moment {
  now: number;
  random: number;
}

/** Reasons with which nobody knows whether what was sent before was executed. */
const UNSURE: ReadonlySet<OperationReason | undefined> = new Set([
  "no-answer",
  "timeout",
  "lost",
  "origin-failed",
  "unusable-answer",
  "unfinished",
]);

/** Whether it was certainly never sent: then it can be taken back. The reason outlives a redrive, which counts the tries anew. */
export function wasNeverSent({ state, attempts, reason }: Pick<Operation, "state" | "attempts" | "reason">): boolean {
  return state === "accepted" && attempts === 0 && reason === undefined;
}

/** Whether it waits to be sent. */
export function isWaiting({ state }: Pick<Operation, "state">): boolean {
  return state === "accepted" || state === "retry";
}

/** How an operation stands after an event; `undefined` where the event is nothing to it, as it stands. */
export function advance(operation: Operation, event: OperationEvent, moment: Moment): Operation | undefined {
  const { state } = operation;
  switch (event.kind) {
    case "promise":
      return isPending(operation) && !operation.isQueued
        ? become(operation, { isQueued: true, givesUpAt: Math.max(operation.givesUpAt, event.givesUpAt) }, moment)
        : undefined;
    case "lease":
      return isWaiting(operation)
        ? become(operation, { state: "leased", attempts: operation.attempts + 1, leaseUntil: event.until }, moment)
        : undefined;
    case "rest":
      return isWaiting(operation) ? become(operation, { dueAt: event.until }, moment) : undefined;
    case "end":
      return event.isLate === true
        ? endedLate(operation, event.ending, moment)
        : ended(operation, event.ending, moment);
    case "lose":
      return ended(operation, { kind: "unknown", reason: "lost" }, moment);
    case "expire":
      return isWaiting(operation) && operation.givesUpAt <= moment.now
        ? dead(operation, "too-old", moment, UNSURE.has(operation.reason))
        : undefined;
    case "cancel":
      return wasNeverSent(operation)
        ? become(operation, { state: "cancelled", reason: "cancelled" }, moment)
        : undefined;
    case "discard":
      return isWaiting(operation) || state === "ambiguous" || state === "dead"
        ? become(operation, { state: "discarded", reason: "discarded", why: event.why }, moment)
        : undefined;
    case "redrive":
      return state === "ambiguous" || state === "dead" || state === "discarded"
        ? redriven(operation, event.givesUpAt, moment)
        : undefined;
  }
}

function ended(operation: Operation, ending: Ending, moment: Moment): Operation | undefined {
  if (operation.state !== "leased") return undefined;
  switch (ending.kind) {
    case "answered":
      return done(operation, moment);
    case "hopeless":
      return dead(operation, ending.reason, moment, UNSURE.has(operation.reason));
    case "not-executed": {
      // An earlier try may have been executed all the same.
      const isUnsure = operation.idempotency.kind !== "none" && UNSURE.has(operation.reason);
      const reason = isUnsure ? operation.reason : ending.reason;
      return again(operation, isUnsure ? "retry" : "accepted", { ...ending, reason: reason ?? ending.reason }, moment);
    }
    case "unknown":
      if (operation.idempotency.kind === "none") {
        return become(operation, { state: "ambiguous", reason: ending.reason }, moment);
      }
      return ending.isFinal === true
        ? dead(operation, ending.reason, moment, true)
        : again(operation, "retry", ending, moment);
  }
}

/** An answer tells what has become of it, however late. While it is being sent again, that has to end first: those behind it would overtake it. */
function endedLate(operation: Operation, ending: Ending, moment: Moment): Operation | undefined {
  const { state } = operation;
  const isOpen = isWaiting(operation) || state === "ambiguous" || state === "dead";
  // Who was told that nobody knows, comes to ask.
  return ending.kind === "answered" && isOpen ? done({ ...operation, isQueued: true }, moment) : undefined;
}

function again(
  operation: Operation,
  state: "accepted" | "retry",
  { reason, retryAfterMs = 0 }: { reason: OperationReason; retryAfterMs?: number },
  moment: Moment,
): Operation {
  const { attempts, givesUpAt } = operation;
  if (attempts >= MAX_ATTEMPTS) return dead(operation, "too-many-tries", moment, state === "retry");
  const dueAt = moment.now + Math.max(backoffMs(attempts, moment.random), retryAfterMs);
  if (dueAt >= givesUpAt) return dead(operation, "too-old", moment, state === "retry");
  return become(operation, { state, reason, dueAt }, moment);
}

function done(operation: Operation, moment: Moment): Operation {
  const { reason: _, ...rest } = operation;
  return become(rest, { state: "done" }, moment);
}

/** `mayHaveRun`: nobody can tell that it was never executed. */
function dead(operation: Operation, reason: OperationReason, moment: Moment, mayHaveRun: boolean): Operation {
  // Its caller is told at once that nothing has happened: nothing is left for an operator to decide, and nobody has to wait for that.
  const isNothing = !mayHaveRun && !operation.isQueued;
  return become(operation, { state: "dead", reason, ...(isNothing && { ifStuck: "skip" as const }) }, moment);
}

function redriven(operation: Operation, givesUpAt: number, moment: Moment): Operation {
  const { why: _, ...rest } = operation;
  // Nobody waits for it now. What it was before stays as the reason: it may have been sent.
  return become(rest, { state: "accepted", attempts: 0, isQueued: true, dueAt: moment.now, givesUpAt }, moment);
}

/** Only what is being sent has a lease. */
function become({ leaseUntil, ...operation }: Operation, change: Partial<Operation>, { now }: Moment): Operation {
  const next = { ...operation, ...change, updatedAt: now };
  return next.state === "leased" && next.leaseUntil === undefined && leaseUntil !== undefined
    ? { ...next, leaseUntil }
    : next;
}
