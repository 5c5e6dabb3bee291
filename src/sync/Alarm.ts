/** Something that an object has to do at times. Times are epoch ms. */
export interface Duty {
  /** When there is something to do; `undefined` while there is nothing. */
  dueAt: () => number | undefined;
  /** Does what is due. May be called again for what it has done, and for what it has begun. */
  run: () => Promise<void>;
}

/** A duty that failed is tried again after this. */
const AGAIN_MS = 30_000;

/**
 * The one alarm of a Durable Object, armed while any of its duties is due. It is only ever moved forward, and set anew
 * when it has gone off: the platform's own retries end after six.
 */
export class Alarm {
  readonly #storage: Pick<DurableObjectStorage, "getAlarm" | "setAlarm">;
  readonly #duties: readonly Duty[];
  readonly #now: () => number;
  readonly #failed: (error: unknown) => void;
  /** Until when a duty that has failed is left alone. */
  readonly #resting = new Map<Duty, number>();
  /** For when it is set; `undefined` where that has to be looked up. */
  #setFor: number | null | undefined;

  /** `failed` gets what a duty throws. */
  constructor(
    storage: Pick<DurableObjectStorage, "getAlarm" | "setAlarm">,
    duties: readonly Duty[],
    now: () => number,
    failed: (error: unknown) => void,
  ) {
    this.#storage = storage;
    this.#duties = duties;
    this.#now = now;
    this.#failed = failed;
  }

  /** Sees to it that it goes off when the next duty is due. To be called after whatever may have made one due. Throws what the storage does. */
  async arm(): Promise<void> {
    if (this.#setFor === undefined) {
      const setFor = await this.#storage.getAlarm();
      // It may have gone off meanwhile.
      if (this.#setFor === undefined) this.#setFor = setFor;
    }
    const next = this.#next();
    if (next === undefined) return;
    if (this.#setFor !== null && this.#setFor <= next) return;
    this.#setFor = next;
    try {
      // The platform takes no alarm for the epoch itself.
      await this.#storage.setAlarm(Math.max(next, 1));
    } catch (error) {
      // What is believed to be set, though it is not, would never be set again.
      this.#setFor = undefined;
      throw error;
    }
  }

  /** Does what is due, each duty whatever becomes of the others, and is armed again. */
  async goOff(): Promise<void> {
    this.#setFor = null;
    const now = this.#now();
    const due = this.#duties.filter((duty) => (this.#dueAt(duty) ?? Number.POSITIVE_INFINITY) <= now);
    const attempt = async (duty: Duty) => {
      try {
        await duty.run();
        this.#resting.delete(duty);
      } catch (error) {
        this.#resting.set(duty, this.#now() + AGAIN_MS);
        this.#failed(error);
      }
    };
    await Promise.all(due.map(attempt));
    await this.arm();
  }

  #next(): number | undefined {
    const times = this.#duties.map((duty) => this.#dueAt(duty)).filter((at) => at !== undefined);
    return times.length === 0 ? undefined : Math.min(...times);
  }

  #dueAt(duty: Duty): number | undefined {
    const at = duty.dueAt();
    return at === undefined ? undefined : Math.max(at, this.#resting.get(duty) ?? 0);
  }
}
