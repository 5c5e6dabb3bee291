/** A call that has not been heard of for this long is over, though nobody said so: isolates may drop requests without a word. */
const FORGOTTEN_MS = 600_000;
/** When there are so many who have calls, those are looked for that are forgotten. */
const MANY = 1_000;

/** One thing that somebody has under way at an origin. */
interface Call {
  /** How many wait for it. */
  waiting: number;
  /** Until when it counts, epoch ms. */
  until: number;
}

/** A place among a payer's calls. */
export interface Berth {
  /** The call is over. More than once does no harm. */
  leave: () => void;
  /** Its caller has gone, and it ends within `ms` of `now` (epoch ms), whether or not anybody says so. */
  endsWithin: (ms: number, now: number) => void;
}

/** The calls that each payer has under way at origins, in one isolate. Plain data, shared between requests. */
export class InFlight {
  readonly #payers = new Map<string, Map<string, Call>>();
  #nth = 0;

  /**
   * A place for a call, where the payer has fewer than `most`; `undefined` where not. Those of one `key` have one call
   * together. Times are epoch ms.
   */
  enter(payer: string, most: number, now: number, key = `#${++this.#nth}`): Berth | undefined {
    if (this.#payers.size >= MANY && !this.#payers.has(payer))
      for (const one of this.#payers.keys()) this.#sweep(one, now);
    const calls = this.#payers.get(payer) ?? new Map<string, Call>();
    let call = calls.get(key);
    if (!call) {
      if (calls.size >= most) this.#sweep(payer, now);
      if (calls.size >= most) return undefined;
      calls.set(key, (call = { waiting: 0, until: 0 }));
      // Sweeping may have left nothing of it.
      this.#payers.set(payer, calls);
    }
    call.waiting++;
    call.until = now + FORGOTTEN_MS;
    const own = call;
    let hasLeft = false;
    return {
      leave: () => {
        if (hasLeft) return;
        hasLeft = true;
        if (--own.waiting > 0 || calls.get(key) !== own) return;
        calls.delete(key);
        if (calls.size === 0 && this.#payers.get(payer) === calls) this.#payers.delete(payer);
      },
      endsWithin: (ms, at) => {
        own.until = Math.min(own.until, at + ms);
      },
    };
  }

  /** How many calls a payer has. */
  count(payer: string): number {
    return this.#payers.get(payer)?.size ?? 0;
  }

  #sweep(payer: string, now: number): void {
    const calls = this.#payers.get(payer);
    for (const [key, { until }] of calls ?? []) if (until <= now) calls!.delete(key);
    if (calls?.size === 0) this.#payers.delete(payer);
  }
}
