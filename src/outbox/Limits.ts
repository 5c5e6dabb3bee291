import type { OutboxLimits } from "../config/replica.ts";
import type { Ledger, Payload } from "./Ledger.ts";

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

  /** When there may be room: with the next delivery. In ms from `now`. */
  retryAfterMs(now: number): number {
    const wait = (this.#ledger.nextDueAt() ?? Number.POSITIVE_INFINITY) - now;
    return Math.min(MAX_RETRY_AFTER_MS, Math.max(MIN_RETRY_AFTER_MS, wait));
  }
}

/** How much of the queue a payload takes, in bytes. */
export function sizeOf(payload: Payload): number {
  return typeof payload === "string" ? new TextEncoder().encode(payload).byteLength : payload.byteLength;
}
