import type { How } from "./Feed.ts";

/** What is told within this is one invalidation. */
const EVERY_MS = 100;
/** More than these are not told one by one. */
const MAX_TAGS = 1_000;

/** What gathering needs. The clock is passed in. */
export interface BurstTools {
  invalidate: (tags: readonly string[], how: How) => void;
  /** Epoch ms. */
  now: () => number;
  pause: (ms: number, signal: AbortSignal) => Promise<void>;
  /** Gets what goes wrong in the background. */
  failed: (error: unknown) => void;
}

/** The tags that are about to be invalidated, and whether listeners are told: the first at once, what follows soon after together. */
export class Burst {
  readonly #tools: BurstTools;
  readonly #tags = new Map<string, boolean>();
  #isWaiting = false;
  /** When tags were last invalidated, epoch ms. */
  #at = 0;

  constructor(tools: BurstTools) {
    this.#tools = tools;
  }

  /** Invalidates a tag, together with what else is told at about the same time. */
  tell(tag: string, told: boolean): void {
    if (this.#tags.size >= MAX_TAGS && !this.#tags.has(tag)) this.#flush();
    this.#tags.set(tag, told || this.#tags.get(tag) === true);
    if (this.#isWaiting) return;
    const { now, pause, failed } = this.#tools;
    const waitMs = Math.min(EVERY_MS, this.#at + EVERY_MS - now());
    if (waitMs <= 0) {
      this.#flush();
      return;
    }
    this.#isWaiting = true;
    pause(waitMs, new AbortController().signal)
      .then(() => {
        this.#isWaiting = false;
        this.#flush();
      })
      .catch(failed);
  }

  #flush(): void {
    const all = [...this.#tags];
    this.#tags.clear();
    this.#at = this.#tools.now();
    for (const isTold of [true, false]) {
      const tags = all.filter(([, told]) => told === isTold).map(([tag]) => tag);
      if (tags.length > 0) this.#tools.invalidate(tags, { told: isTold });
    }
  }
}
