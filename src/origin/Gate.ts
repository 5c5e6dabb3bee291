/** Lets a bounded number of tasks run at once; the rest wait their turn, for a bounded time. */
export class Gate {
  readonly #limit: number;
  #running = 0;
  readonly #waiting: ((open: boolean) => void)[] = [];

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Whether who comes now has to wait. */
  get isFull(): boolean {
    return this.#running >= this.#limit;
  }

  /** Runs the task when there is room; `undefined` where there was none within `waitMs`: at once, where that is 0. */
  async run<T>(task: () => Promise<T>, waitMs: number): Promise<T | undefined> {
    if (!this.isFull) this.#running++;
    else if (waitMs === 0) return undefined;
    else if (!(await this.#turn(waitMs))) return undefined;
    try {
      return await task();
    } finally {
      const next = this.#waiting.shift();
      // The place passes straight to the next in line, so that nobody slips in between.
      if (next) next(true);
      else this.#running--;
    }
  }

  #turn(waitMs: number): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.#waiting.splice(this.#waiting.indexOf(open), 1);
        resolve(false);
      }, waitMs);
      const open = (granted: boolean) => {
        clearTimeout(timer);
        resolve(granted);
      };
      this.#waiting.push(open);
    });
  }
}
