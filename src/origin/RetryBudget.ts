/** In parts of a token: time brings one a millisecond, so that sums are whole. */
const TOKEN = 10_000;
const FULL = 10 * TOKEN;
/** A tenth of a token. */
const PER_CALL = TOKEN / 10;

/**
 * How often an origin may be asked again for what failed: a tenth as often as it is asked, and once in 10 s besides; ten
 * times at once at most. So those who retry cannot keep down an origin that struggles. Full at first. Pure: `now` is epoch ms.
 */
export class RetryBudget {
  #left = FULL;
  #at = Number.NEGATIVE_INFINITY;

  /** Something is asked for the first time. */
  called(now: number): void {
    this.#fill(now, PER_CALL);
  }

  /** How many tokens there are. */
  left(now: number): number {
    this.#fill(now);
    return Math.floor(this.#left / TOKEN);
  }

  /** Takes a token, where there is one: then what failed may be asked for once more. */
  take(now: number): boolean {
    if (this.left(now) === 0) return false;
    this.#left -= TOKEN;
    return true;
  }

  /** How long it is until there is a token, in ms, if nothing is asked meanwhile; 0 where there is one. */
  waitMs(now: number): number {
    this.#fill(now);
    return Math.max(0, TOKEN - this.#left);
  }

  #fill(now: number, more = 0): void {
    // A clock that was set back brings nothing, and goes on from there.
    const passed = Math.max(0, Math.floor(now - this.#at));
    this.#at = now;
    this.#left = Math.min(FULL, this.#left + passed + more);
  }
}
