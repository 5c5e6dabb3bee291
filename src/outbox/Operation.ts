/** How a write stands. */
export type OperationState =
  /** It is to be sent, and was not yet; or it is known that what was sent was never read. */
  | "accepted"
  /** It is being sent: until `leaseUntil` nobody else sends it. */
  | "leased"
  /** It was sent, has failed, and may be sent again at `dueAt`. */
  | "retry"
  /** It was sent, and nobody can tell whether the origin has executed it: a person has to look. */
  | "ambiguous"
  /** It was given up. */
  | "dead"
  /** The origin has answered: with a result, also one with `isError`, or with a JSON-RPC error. */
  | "done"
  /** Taken back before it was sent. */
  | "cancelled"
  /** The operator has decided that it is not to be sent any more. */
  | "discarded";

/** In which way sending it twice is safe. `key` is the same however often it is sent. */
export type Idempotency =
  /** It is not. */
  | { kind: "none" }
  /** The tool does the same, however often. */
  | { kind: "same" }
  /** The origin takes two with the same value of an argument for one. */
  | { kind: "argument"; name: string; key: string }
  /** The same, of an HTTP header. */
  | { kind: "header"; name: string; key: string };

/** Why a write is as it is, in a word for machines. */
export type OperationReason =
  /** No answer came, or not all of it: the connection broke, or never was. */
  | "no-answer"
  | "timeout"
  /** The object that sent it was lost meanwhile. */
  | "lost"
  /** HTTP 5xx, or another failure that says nothing of what was done. */
  | "origin-failed"
  /** HTTP 429, 401, 403, or another refusal: it was not executed. */
  | "origin-refused"
  /** It was not sent: no token, a binding that is not there. */
  | "not-sendable"
  /** An answer that cannot be used. */
  | "unusable-answer"
  /** The origin wants input first, or made a task of it: nobody is there to go on with that. */
  | "unfinished"
  /** It was tried as often as it may be, or for as long. */
  | "too-many-tries"
  | "too-old"
  /** What is kept of it cannot be opened any more: the secret has changed. */
  | "sealed"
  /** Its caller was lost before anything was promised. */
  | "caller-lost"
  /** Its caller has taken it back. */
  | "cancelled"
  /** The operator has. */
  | "discarded";

/** One call of a tool that changes something. Plain data; times are epoch ms. */
export interface Operation {
  /** Random, made by the isolate that took the call; see `operationId`. */
  id: string;
  /** In which order they were accepted. */
  seq: number;
  /** Whose it is. */
  principal: string;
  tool: string;
  /** Those that have one in common are sent one after the other, in the order in which they were accepted; `null`: it waits for none. */
  orderKey: string | null;
  /** What becomes of those behind it when it is ambiguous or dead: they wait, or go on. */
  ifStuck: "park" | "skip";
  idempotency: Idempotency;
  /** The tags that it invalidates. */
  tags: readonly string[];
  /** Whether it may be sent with nobody waiting for it: its caller was told that it will be. */
  isQueued: boolean;
  /** Whether nothing is to be sent that could not be announced to the readers. */
  isAwaited: boolean;
  state: OperationState;
  reason?: OperationReason;
  /** How often it was sent. */
  attempts: number;
  acceptedAt: number;
  updatedAt: number;
  /** When it may be sent next. */
  dueAt: number;
  /** While it is leased. */
  leaseUntil?: number;
  /** When it is given up. */
  givesUpAt: number;
  /** How much of the queue it takes; of one that is done, how much room with its outcome. */
  bytes: number;
  /** In the operator's words: why it was discarded. */
  why?: string;
}

/** What the origin has answered. */
export interface OperationOutcome {
  kind: "result" | "error";
  /** The JSON of `result` or `error`, as the origin wrote it. */
  text: string;
  /** The era in which it was asked: it is told to others in theirs. */
  era: "modern" | "legacy";
}

const OPEN: ReadonlySet<OperationState> = new Set(["accepted", "leased", "retry", "ambiguous", "dead"]);

/** Whether something may still become of it. */
export function isOpen({ state }: Pick<Operation, "state">): boolean {
  return OPEN.has(state);
}

/** Whether it waits to be sent, or is being sent: readers are told that it is pending. */
export function isPending({ state }: Pick<Operation, "state">): boolean {
  return state === "accepted" || state === "leased" || state === "retry";
}
