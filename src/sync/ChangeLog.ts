/** What an isolate heard of something that listeners may have named. */
export interface Word {
  originId: string;
  /** `told`: it has changed. `doubted`: it may have, and is to be looked at. */
  kind: "told" | "doubted";
  /** A tag of the feed. */
  tag: string;
  /** Whose answer it is; `undefined` where it is everybody's. Nobody else may learn of it. */
  principal: string | undefined;
}

/** What an isolate heard, in order, for listeners to look at in their own time. Bounded: the oldest go. */
export class ChangeLog {
  readonly #capacity: number;
  readonly #ring: Word[] = [];
  #end = 0;

  constructor(capacity = 1_000) {
    this.#capacity = capacity;
  }

  /** The number of the next word. */
  get end(): number {
    return this.#end;
  }

  add(word: Word): void {
    this.#ring[this.#end++ % this.#capacity] = word;
  }

  /** The words from the one with that number on. Who comes too late misses some: delivery is best effort. */
  *since(from: number): Generator<Word> {
    for (let at = Math.max(from, this.#end - this.#capacity); at < this.#end; at++)
      yield this.#ring[at % this.#capacity]!;
  }
}
