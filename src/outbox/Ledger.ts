import type { Operation, OperationOutcome, OperationState } from "./Operation.ts";

/** What is kept of an operation besides what it is: the arguments, sealed or not. */
export type Payload = string | Uint8Array<ArrayBuffer>;

/** What is kept of what the origin has answered, sealed or not. */
export type StoredOutcome = OperationOutcome | Uint8Array<ArrayBuffer>;

/** A caller's idempotency key: who comes again with it means the same operation. */
export interface DedupKey {
  principal: string;
  tool: string;
  key: string;
  /** SHA-256 of the arguments. */
  digest: string;
}

/** What stands under a caller's key. */
export interface KnownKey {
  id: string;
  digest: string;
}

/** How much there is. */
export interface Amount {
  depth: number;
  bytes: number;
}

/** Which operations an operator wants to see. */
export interface OperationFilter {
  states?: readonly OperationState[];
  principal?: string;
  tool?: string;
  /** Only those accepted before this one. */
  before?: number;
  /** At most so many, the latest first. */
  limit: number;
}

/** An operation without what the ledger itself gives it. */
export type NewOperation = Omit<Operation, "seq">;

/**
 * The operations of one outbox, durable. Synchronous: `transaction` makes several changes one. The **head** of an ordering
 * key is the oldest operation of it that is open, passing over those that are ambiguous or dead and say `skip`; only heads,
 * and those without a key, are ever sent.
 */
export interface Ledger {
  transaction<T>(work: () => T): T;
  /** Takes an operation in, with the next seq. What stood under its key stands there no more. */
  insert(operation: NewOperation, payload: Payload, dedup?: DedupKey): Operation;
  get(id: string): Operation | undefined;
  payload(id: string): Payload | undefined;
  /** As it was written: sealed, or not. */
  outcome(id: string): StoredOutcome | undefined;
  /** What stands under a caller's key; one whose time is over is forgotten. */
  known(dedup: Omit<DedupKey, "digest">): KnownKey | undefined;
  /** Writes what has become of it. */
  update(operation: Operation, outcome?: StoredOutcome): void;
  /** Leaves no trace of it: nothing was promised, and nothing sent. */
  remove(id: string): void;
  /** Heads that are accepted, or to be tried again, and due; the longest due first. */
  due(now: number, limit: number): Operation[];
  /** When the next of those is due; `undefined` where there is none. */
  nextDueAt(): number | undefined;
  /** Those that are being sent. */
  leased(): Operation[];
  /** Those that wait to be sent (none that is being sent) and are past `givesUpAt`. */
  overdue(now: number, limit: number): Operation[];
  /** The earliest `givesUpAt` of those that wait to be sent. */
  nextGiveUpAt(): number | undefined;
  /** Those whose callers were promised nothing, and that were not sent. */
  unpromised(): Operation[];
  /** The head of its ordering key, where that was accepted before it; `undefined`: it is the head itself, or has no key. */
  blockedBy(operation: Operation): Operation | undefined;
  /** Of those that are open, or of a principal's. */
  amount(principal?: string): Amount;
  /** Of all that are kept, also of those that are over; or of a principal's. */
  held(principal?: string): Amount;
  /** How many pending operations have a tag, those that are queued only; of `most` tags at most, whichever. Default: of all. */
  pendingTags(most?: number): Map<string, number>;
  /** How many there are in each state. */
  counts(): Record<OperationState, number>;
  /** When the oldest that is pending was accepted. */
  oldestAt(): number | undefined;
  list(filter: OperationFilter): Operation[];
  /**
   * Forgets what is over (not open) since then or before, and keys with it; and what was heard of while its caller waited (it is
   * done, was never promised, and has no key: nobody asks for it again) since `heardBefore`. `limit` at most of each. How many there were.
   */
  forget(before: number, limit: number, heardBefore?: number): number;
  /** When the first of those that are over came to be so (`updatedAt`); `undefined` where there is none. */
  oldestOverAt(): number | undefined;
  /** The same of those that were heard of while their callers waited. */
  oldestHeardAt(): number | undefined;
  /** A value that is kept under a name: how the origin is reached, and so on. */
  kept(name: string): string | undefined;
  keep(name: string, value: string): void;
}
