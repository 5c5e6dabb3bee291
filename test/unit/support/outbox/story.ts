import type { SubmissionFacts } from "../../../../src/outbox/Desk.ts";
import type { Amount } from "../../../../src/outbox/Ledger.ts";
import type { Operation, OperationState } from "../../../../src/outbox/Operation.ts";

/** Small, so that they are reached. */
export const LIMITS = {
  depth: 6,
  bytes: 60,
  callerDepth: 4,
  callerBytes: 40,
  maxAgeMs: 3_600_000,
  retentionMs: 86_400_000,
};

/** How long an answer is kept that its caller has heard, and cannot ask for again. */
export const HEARD_MS = 3_600_000;

/** Those that a person has to look at. */
export const STUCK: ReadonlySet<OperationState> = new Set(["ambiguous", "dead"]);

/** What is known of an operation from outside. */
export interface Story {
  facts: SubmissionFacts;
  payload: string;
  /** Its caller was told that it will be sent. */
  isPromised: boolean;
  /** Its caller was told that it was not sent, and will not be. */
  isRefused: boolean;
  /** How often the origin has executed it, and with which keys. */
  executions: { key: string | undefined }[];
  /** How often it was leased. */
  leases: number;
  /** How often it was sent again by the operator. */
  redrives: number;
  /** Those behind it may overtake it: it was passed over, or discarded. */
  isExcused: boolean;
  /** When it may be sent again at the earliest. */
  notBefore: number;
  answers: Set<string>;
}

/** Whether one more fits. */
export function hasRoom({ depth, bytes }: Amount, payload: string, maxDepth: number, maxBytes: number): boolean {
  return depth < maxDepth && bytes + payload.length <= maxBytes;
}

/** Whether an operation is being sent under a lease. */
export function isLeaseOf(operation: Operation | undefined, { attempts, leaseUntil }: Operation): boolean {
  return operation?.state === "leased" && operation.attempts === attempts && operation.leaseUntil === leaseUntil;
}

/** Of one that was taken in. */
export function storyOf(facts: SubmissionFacts, payload: string): Story {
  return {
    facts,
    payload,
    isPromised: false,
    isRefused: false,
    executions: [],
    leases: 0,
    redrives: 0,
    isExcused: false,
    notBefore: 0,
    answers: new Set(),
  };
}
