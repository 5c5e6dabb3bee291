import { endingOf } from "../origin/endingOf.ts";
import type { OriginFailure } from "../origin/failure.ts";
import type { Health } from "../sync/Health.ts";

/** What it takes to tell whether the origin can be asked. Clock and chance are passed in. */
export interface ReadinessTools {
  /** How the origin is, as its `OriginSync` says; `undefined` where that cannot be had. */
  health: () => Promise<Health | undefined>;
  /** Asks the origin something that changes nothing; why it does not answer. */
  probe: () => Promise<OriginFailure | undefined>;
  /** Gets how each call to the origin has ended, and when it was begun. */
  ended: (ending: NonNullable<ReturnType<typeof endingOf>>, begunAt: number) => void;
  /** Epoch ms. */
  now: () => number;
  /** 0 to 1. */
  random: () => number;
}

/** For so long after an answer nobody doubts that there will be another. */
const RECENT_MS = 10_000;
const BASE_MS = 1_000;
const CAP_MS = 30_000;
const JITTER = 0.2;

/**
 * Whether a write may be sent. A connection that fails does not say whether the write was read, so nothing is sent on the
 * chance that the origin is there: it has answered a moment ago, or a probe has just found it. Nothing is sent while it is
 * not ready, and that is the proof that nothing was.
 */
export class Readiness {
  readonly #tools: ReadinessTools;
  #answeredAt = Number.NEGATIVE_INFINITY;
  #restsUntil = 0;
  /** How often in a row it was not ready. */
  #level = 0;
  #looking: Promise<boolean> | undefined;

  constructor(tools: ReadinessTools) {
    this.#tools = tools;
  }

  /** Whether the origin has answered a moment ago. */
  get isReady(): boolean {
    const sinceMs = this.#tools.now() - this.#answeredAt;
    return sinceMs >= 0 && sinceMs < RECENT_MS;
  }

  /** How long it is still left alone, in ms; 0 where it may be looked at. A clock that was ahead does not count. */
  get restMs(): number {
    const ms = this.#restsUntil - this.#tools.now();
    return ms > 0 && ms <= CAP_MS * (1 + JITTER) ? ms : 0;
  }

  /** Takes in how a call to the origin ended; `failure` where it gave no answer. */
  called(failure: OriginFailure | undefined, begunAt: number): void {
    const ending = endingOf(failure);
    if (!ending) return;
    this.#tools.ended(ending, begunAt);
    if (ending.ok) {
      this.#answeredAt = this.#tools.now();
      this.#level = this.#restsUntil = 0;
    } else this.#answeredAt = Number.NEGATIVE_INFINITY;
  }

  /** Finds out whether it is ready, now. Those who ask at the same time find out together. */
  look(): Promise<boolean> {
    return (this.#looking ??= this.#look().finally(() => (this.#looking = undefined)));
  }

  /** It is left alone for a while: longer each time, and not asked before `retryAt`, epoch ms. */
  rest(retryAt = 0): void {
    const { now, random } = this.#tools;
    const ms = Math.min(CAP_MS, BASE_MS * 2 ** Math.min(this.#level++, 10)) * (1 - JITTER + 2 * JITTER * random());
    this.#restsUntil = Math.max(Math.min(retryAt, now() + CAP_MS), now() + ms);
    this.#answeredAt = Number.NEGATIVE_INFINITY;
  }

  /** It may be looked at now, whatever was before. */
  hasten(): void {
    this.#restsUntil = this.#level = 0;
  }

  async #look(): Promise<boolean> {
    const begunAt = this.#tools.now();
    const [health, failure] = await Promise.all([this.#tools.health(), this.#tools.probe()]);
    this.called(failure, begunAt);
    const ending = endingOf(failure);
    if (health?.state !== "down" && ending?.ok) return true;
    this.rest(health?.state === "down" ? health.retryAt : undefined);
    return false;
  }
}
