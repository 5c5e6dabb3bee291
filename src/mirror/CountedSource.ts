import { endingOf } from "../origin/endingOf.ts";
import { together, type Outcomes } from "../sync/Health.ts";
import type { NoPage, One, Page, Source } from "./Source.ts";

/** A source that notes how the calls to its origin end. */
export class CountedSource implements Source {
  readonly #source: Source;
  readonly #now: () => number;
  #outcomes: Outcomes | undefined;

  /** `now` gives epoch ms. */
  constructor(source: Source, now: () => number) {
    this.#source = source;
    this.#now = now;
  }

  async page(cursor: string | undefined): Promise<Page | NoPage> {
    return this.#note(() => this.#source.page(cursor));
  }

  async one(key: readonly string[], uri?: string): Promise<One | NoPage> {
    return this.#note(() => this.#source.one(key, uri));
  }

  /** How calls ended since it was last asked; `undefined` where there were none. */
  take(): Outcomes | undefined {
    const outcomes = this.#outcomes;
    this.#outcomes = undefined;
    return outcomes;
  }

  /** What was taken could not be told. */
  giveBack(outcomes: Outcomes | undefined): void {
    if (outcomes) this.#outcomes = this.#outcomes ? together(outcomes, this.#outcomes) : outcomes;
  }

  async #note<T extends Page | One | NoPage>(ask: () => Promise<T>): Promise<T> {
    const begunAt = this.#now();
    const answer = await ask();
    const ending = endingOf("failure" in answer ? answer.failure : undefined);
    if (ending?.ok) this.#outcomes = together(this.#outcomes, { ok: 1, failed: 0, okAt: begunAt });
    else if (ending)
      this.#outcomes = together(this.#outcomes, { ok: 0, failed: 1, failedAt: begunAt, reason: ending.reason });
    return answer;
  }
}
