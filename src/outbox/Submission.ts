import type { OriginSettings, OutboxLimits } from "../config/replica.ts";
import type { SpokenEras } from "../origin/SpokenEras.ts";
import type { Idempotency, Operation, OperationOutcome } from "./Operation.ts";

/** A call that is given to the outbox. Plain data: it crosses to the Durable Object. */
export interface Submission {
  /** See `operationId`: the isolate's, so that the same submission can be made once more. */
  id: string;
  /** How the origin is reached: impersonal. */
  origin: OriginSettings;
  eras: SpokenEras;
  limits: OutboxLimits;
  principal: string;
  tool: string;
  /** The arguments as they are to be sent, in JSON. */
  args: string;
  /** SHA-256 of the tool and its arguments in canonical JSON, as the caller gave them. */
  digest: string;
  /** The caller's idempotency key. */
  key?: string;
  idempotency: Idempotency;
  orderKey: string | null;
  ifStuck: "park" | "skip";
  tags: readonly string[];
  isAwaited: boolean;
  /**
   * What becomes of it where it cannot be sent now: `queue`, it is kept and sent later; `drop`, it is as if it had never come.
   */
  otherwise: "queue" | "drop";
  /** Nobody waits for the answer, even while the origin is up. With `queue`. */
  isAtOnce: boolean;
  /** How long its caller waits until it is being sent, in ms. */
  patienceMs: number;
}

/** An operation as its caller, and the operator, are told of it. */
export interface OperationView extends Omit<Operation, "bytes" | "leaseUntil"> {
  /** What the origin has answered, where it has. */
  outcome?: OperationOutcome;
  /** Until when it is remembered, epoch ms; `undefined` while it is open. */
  until?: number;
}

/** Why a call was not taken. Nothing of it was sent, and nothing will be. */
export type Refusal =
  /** The queue, or the caller's part of it, has no room for it. */
  | { why: "full" | "principal-full"; retryAfterMs: number }
  /** The origin cannot be asked, and the call is none that waits. */
  | { why: "down"; retryAfterMs: number }
  /** One before it under its ordering key is ambiguous or dead: `id`. */
  | { why: "parked"; id: string }
  /** Those before it took too long. */
  | { why: "late"; retryAfterMs: number }
  /** The caller has used its idempotency key for something else. */
  | { why: "key-reused" }
  /** It was taken back meanwhile. */
  | { why: "cancelled" }
  /** What it changes could not be announced to the readers. */
  | { why: "not-announced" };

/** What has become of a submission. */
export type Submitted =
  /** It is over, ambiguous or dead. `isReplay`: it was before, under the caller's key. */
  | { kind: "settled"; operation: OperationView; isReplay: boolean }
  /** It will be sent. */
  | { kind: "queued"; operation: OperationView; isReplay: boolean }
  | ({ kind: "refused" } & Refusal);

/** What comes on the stream of a submission, each a line of JSON: notifications of progress, in the end what has become of it. */
export type SubmissionEvent =
  | { progress: { progress: number; total?: number; message?: string } }
  | { submitted: Submitted };
