import type { OperationView, Refusal } from "../outbox/Submission.ts";

/** Why a call that goes through the outbox is not answered as the origin has answered it. */
export type WriteFailure =
  /** It was not executed yet: it is queued, and its caller knows no tasks. */
  | { kind: "write-queued"; operation: OperationView; retryAfterMs: number }
  /** There is no answer of the origin's to it: ambiguous, dead, discarded or cancelled; or there was one that cannot be read any more. */
  | { kind: "write-unanswered"; operation: OperationView }
  /** It was not taken: nothing of it was sent, and nothing will be. */
  | { kind: "write-refused"; tool: string; refusal: Exclude<Refusal, { why: "not-announced" }> }
  /** The outbox could not be reached: whether it has taken the operation is not known. */
  | { kind: "outbox-unavailable"; operationId: string }
  /** The caller's idempotency key is none. */
  | { kind: "idempotency-key-invalid"; detail: string }
  /** The caller counts on its idempotency key with a tool whose calls nobody holds against each other. */
  | { kind: "idempotency-unsupported" };
