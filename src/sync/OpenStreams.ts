/** A stream that has not been heard of for this long is gone, though nobody said so: isolates may drop requests without a word. */
const SILENT_MS = 60_000;

/** The listeners' streams that an isolate has open: so many, and no more. Times are epoch ms. */
export class OpenStreams {
  readonly #limit: number;
  readonly #heardAt = new Map<number, number>();
  #last = 0;

  constructor(limit = 1_000) {
    this.#limit = limit;
  }

  get size(): number {
    return this.#heardAt.size;
  }

  /** Takes in a stream, and gives its number; `undefined` where there is no room. */
  open(now: number): number | undefined {
    if (this.size >= this.#limit) {
      for (const [stream, at] of this.#heardAt) if (now - at > SILENT_MS) this.#heardAt.delete(stream);
      if (this.size >= this.#limit) return undefined;
    }
    this.#heardAt.set(++this.#last, now);
    return this.#last;
  }

  /** Notes that a stream is still there. */
  heard(stream: number, now: number): void {
    this.#heardAt.set(stream, now);
  }

  close(stream: number): void {
    this.#heardAt.delete(stream);
  }
}
