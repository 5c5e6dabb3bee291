import type { Decided } from "../../outbox/Desk.ts";
import type { OperationState } from "../../outbox/Operation.ts";
import type { OperationShown, OutboxStatus } from "../../outbox/OutboxStatus.ts";
import type { OperationView } from "../../outbox/Submission.ts";

/** How the outbox of an origin stands that is one of its tenants'. */
export interface TenantOutbox {
  /** The id that the origin has there. */
  origin: string;
  counts: Record<OperationState, number>;
  /** When the oldest that is pending was accepted, epoch ms. */
  oldestAt?: number | undefined;
}

/** What the outboxes of an origin's tenants hold. */
export interface TenantOutboxes {
  /** Those that hold something that is open. */
  tenants: TenantOutbox[];
  /** How many could not be asked. */
  missed: number;
  /** Whether those are all tenants that there are. */
  areAll: boolean;
}

/** The writes in an outbox, and how it stands. Neither arguments nor outcomes. */
export interface ShownJobs extends OutboxStatus, Partial<TenantOutboxes> {
  origin: string;
  jobs: OperationView[];
  /** With what more are asked for; absent where there are no more. */
  before?: number;
}

/** A write with its arguments, and its outcome where it has one. */
export interface ShownJob {
  origin: string;
  job: OperationShown;
}

/** What became of an operator's decision. */
export interface DecidedJobs {
  origin: string;
  done: { id: string; tool: string; state: OperationState }[];
  /** `unknown`: there is none of that id; `state`: nothing can be done about it as it stands; `full`: the queue has no room. */
  refused: Decided["refused"];
}
