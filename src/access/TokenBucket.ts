/** How much may come: so much at once, and so much a second in the long run. Whole numbers. */
export interface Rate {
  burst: number;
  perSecond: number;
}

/** Of a token: so many milliseconds give as many of them as come in a second. */
const TOKEN = 1_000;

/** Keeps a rate: full at first, it loses a token with each thing that comes, and gains them with time. Pure: times are epoch ms. */
export class TokenBucket {
  readonly #rate: Rate;
  /** In thousandths of a token, so that nothing is lost to rounding. */
  #level: number;
  #at: number | undefined;

  constructor(rate: Rate) {
    this.#rate = rate;
    this.#level = rate.burst * TOKEN;
  }

  /** Takes a token: 0. Where there is none: in how many ms there will be one. */
  take(now: number): number {
    const { perSecond } = this.#rate;
    this.#at ??= now;
    // A clock that goes back gives nothing, and takes nothing away.
    if (now > this.#at) {
      this.#fill((now - this.#at) * perSecond);
      this.#at = now;
    }
    if (this.#level < TOKEN) return Math.ceil((TOKEN - this.#level) / perSecond);
    this.#level -= TOKEN;
    return 0;
  }

  /** Gives one back that was taken for nothing. */
  giveBack(): void {
    this.#fill(TOKEN);
  }

  #fill(gained: number): void {
    this.#level = Math.min(this.#rate.burst * TOKEN, this.#level + gained);
  }
}
