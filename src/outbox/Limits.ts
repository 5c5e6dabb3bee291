import type { OutboxLimits } from "../config/replica.ts";
import type { Amount, Ledger, Payload, StoredOutcome } from "./Ledger.ts";

const DAY_MS = 86_400_000;
const DEFAULT: OutboxLimits = {
  depth: 10_000,
  bytes: 64 * 2 ** 20,
  callerDepth: 1_000,
  callerBytes: 16 * 2 ** 20,
  maxAgeMs: DAY_MS,
  retentionMs: DAY_MS,
};
const KEPT_AS = "limits";
const MIN_RETRY_AFTER_MS = 1_000;
const MAX_RETRY_AFTER_MS = 60_000;

/** What is kept, also of what is over, takes so many bytes at most: an object has room for 10 GB, and what is under way needs some. */
const MAX_HELD_BYTES = 8 * 2 ** 30;
/** One caller's takes no more of that than this. */
const MAX_CALLERS_HELD_BYTES = MAX_HELD_BYTES / 2;
/** What an operation takes besides its arguments and its outcome, about. */
const ROW_BYTES = 2_048;

/** How much an outbox takes. An object that its alarm has started is told by nobody: so what was said last is kept in the ledger. */
export class Limits {
  readonly #ledger: Ledger;
  #current: OutboxLimits;
  #kept: string | undefined;

  /** `limits` count until others are said; absent: what was kept, or the defaults. */
  constructor(ledger: Ledger, limits?: OutboxLimits) {
    this.#ledger = ledger;
    this.#kept = ledger.kept(KEPT_AS);
    this.#current = limits ?? (this.#kept === undefined ? DEFAULT : (JSON.parse(this.#kept) as OutboxLimits));
  }

  get current(): Readonly<OutboxLimits> {
    return this.#current;
  }

  /** Goes by these from now on. */
  take(limits: OutboxLimits): void {
    this.#current = limits;
    const text = JSON.stringify(limits);
    if (text === this.#kept) return;
    this.#ledger.keep(KEPT_AS, text);
    this.#kept = text;
  }

  /** What there is no room in for one more operation of a principal's of so many bytes: the queue, its part of it; `undefined`: there is room. */
  lackingFor(principal: string, bytes: number): "full" | "principal-full" | undefined {
    const limits = this.#current;
    const all = this.#ledger.amount();
    if (all.depth >= limits.depth || all.bytes + bytes > limits.bytes) return "full";
    const own = this.#ledger.amount(principal);
    return own.depth >= limits.callerDepth || own.bytes + bytes > limits.callerBytes ? "principal-full" : undefined;
  }

  /**
   * What there is no room in to keep one more operation of a principal's of so many bytes until it is forgotten. What is over is
   * not open any more, and takes room all the same: a caller who takes all back, or is answered at length, would fill the disk.
   */
  lackingToKeep(principal: string, bytes: number): "full" | "principal-full" | undefined {
    const room = (most: number, held: Amount) => most - held.bytes - held.depth * ROW_BYTES;
    if (room(MAX_HELD_BYTES, this.#ledger.held()) < bytes) return "full";
    return room(MAX_CALLERS_HELD_BYTES, this.#ledger.held(principal)) < bytes ? "principal-full" : undefined;
  }

  /** When there may be room: with the next delivery. In ms from `now`. */
  retryAfterMs(now: number): number {
    const wait = (this.#ledger.nextDueAt() ?? Number.POSITIVE_INFINITY) - now;
    return Math.min(MAX_RETRY_AFTER_MS, Math.max(MIN_RETRY_AFTER_MS, wait));
  }
}

/** How much room a payload or an outcome takes, in bytes. */
export function sizeOf(content: Payload | StoredOutcome): number {
  if (content instanceof Uint8Array) return content.byteLength;
  return new TextEncoder().encode(typeof content === "string" ? content : content.text).byteLength;
}
