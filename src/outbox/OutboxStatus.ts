import type { DeskStatus } from "./Desk.ts";
import type { Ending } from "./Ending.ts";
import type { OperationView } from "./Submission.ts";

/** How sendings have ended, since the object began. `retries`: those that were not the first of their operation. */
export type Sent = Record<Ending["kind"], number> & { retries: number };

/** How an outbox stands. */
export interface OutboxStatus extends DeskStatus {
  /** How many are being sent now. */
  sending: number;
  /** How sendings have ended since the object began. */
  sent: Sent;
  /** How long the origin is left alone, in ms; 0 where it is not. */
  restMs: number;
}

/** An operation as the operator is shown it. */
export interface OperationShown extends OperationView {
  /** The JSON of its arguments; absent where they cannot be opened any more. */
  args?: string;
}
