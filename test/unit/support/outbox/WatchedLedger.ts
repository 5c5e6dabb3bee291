import type { StoredOutcome } from "../../../../src/outbox/Ledger.ts";
import type { Operation, OperationState } from "../../../../src/outbox/Operation.ts";
import { MemoryLedger } from "../../../support/MemoryLedger.ts";
import { hold } from "./hold.ts";

/** The state diagram: what may become of what. */
const NEXT: Readonly<Record<OperationState, readonly OperationState[]>> = {
  accepted: ["accepted", "leased", "cancelled", "discarded", "dead", "done"],
  leased: ["leased", "accepted", "retry", "ambiguous", "dead", "done"],
  retry: ["retry", "leased", "dead", "discarded", "done"],
  ambiguous: ["accepted", "discarded", "done"],
  dead: ["accepted", "discarded", "done"],
  done: [],
  cancelled: [],
  discarded: ["accepted"],
};
const OVER: ReadonlySet<OperationState> = new Set(["done", "cancelled", "discarded"]);

/** A ledger that lets nothing be written that the state diagram does not have. */
export class WatchedLedger extends MemoryLedger {
  /** What was there for long enough. */
  readonly forgotten = new Set<string>();
  /** What has become of what, in words. */
  readonly reached = new Set<string>();
  readonly #forgetsBefore: (isHeard: boolean) => number;

  /** `forgetsBefore` says since when what is over may be forgotten, and of that what its caller has heard of. */
  constructor(forgetsBefore: (isHeard: boolean) => number) {
    super();
    this.#forgetsBefore = forgetsBefore;
  }

  override update(operation: Operation, outcome?: StoredOutcome): void {
    const before = this.get(operation.id);
    const step = `${operation.id} goes from ${before?.state ?? "nothing"} to ${operation.state}`;
    hold(before !== undefined && NEXT[before.state].includes(operation.state), `${step}, as it may`);
    hold((operation.state === "done") === (outcome !== undefined), `${step} with an answer`);
    const isIdempotent = operation.idempotency.kind !== "none";
    hold(operation.state !== "retry" || isIdempotent, `${step}, for it is idempotent`);
    hold(operation.state !== "ambiguous" || !isIdempotent, `${step}, for it is not idempotent`);
    hold((operation.state === "leased") === (operation.leaseUntil !== undefined), `${step} with a lease`);
    hold(before.seq === operation.seq && before.orderKey === operation.orderKey, `${step} in its place`);
    if (operation.state === "leased" && before.state !== "leased") {
      hold(operation.attempts === before.attempts + 1 && operation.attempts <= 20, `${step} for a further time`);
      const isFirst = (one: Operation) =>
        one.orderKey !== operation.orderKey || one.state !== "leased" || one.id === operation.id;
      hold(operation.orderKey === null || this.operations().every(isFirst), `${step} alone under its key`);
      hold(this.blockedBy(operation) === undefined, `${step} as the head of its key`);
    }
    this.reached.add(`${before.state} to ${operation.state}`);
    super.update(operation, outcome);
  }

  override remove(id: string): void {
    const before = this.get(id);
    const isForgotten =
      before !== undefined && OVER.has(before.state) && before.updatedAt <= this.#forgetsBefore(this.isHeard(before));
    const wasNothing = before?.state === "accepted" && before.attempts === 0 && !before.isQueued;
    hold(isForgotten || wasNothing, `${id} goes without a trace, as it may`);
    if (isForgotten) this.forgotten.add(id);
    super.remove(id);
  }
}
