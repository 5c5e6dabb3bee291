const MAX = 10;
const PER_FIRST = 0.1;
const EVERY_MS = 10_000;

/**
 * How many calls may be made once more: one for ten that are made for the first time, and one in 10 s besides; 10 can be
 * saved up. An origin in trouble is not asked more because it is. Pure: the clock is passed in, in epoch ms.
 */
export class RetryBudget {
  #tokens = MAX;
  /** Since when nothing was added for the time that has passed. */
  #at: number | undefined;

  /** A call is made for the first time. */
  earn(): void {
    this.#tokens = Math.min(MAX, this.#tokens + PER_FIRST);
  }

  /** How many there are now, whole ones. */
  left(now: number): number {
    // A clock that was set back has not brought anything.
    const passedMs = Math.max(0, now - (this.#at ?? now));
    this.#at = now;
    this.#tokens = Math.min(MAX, this.#tokens + passedMs / EVERY_MS);
    // Ten tenths are one.
    return Math.floor(this.#tokens + 1e-9);
  }

  /** Takes one; `false` where there is none. */
  take(now: number): boolean {
    if (this.left(now) < 1) return false;
    this.#tokens = Math.max(0, this.#tokens - 1);
    return true;
  }

  /** How long it takes until there is one, in ms, if no call earns it before. */
  waitMs(now: number): number {
    return this.left(now) >= 1 ? 0 : Math.ceil((1 - this.#tokens) * EVERY_MS);
  }
}
