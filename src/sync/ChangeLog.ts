import type { Change } from "../mcp/change.ts";

/** A change that the replica saw. */
export interface Seen {
  originId: string;
  change: Change;
  /** Whose answer changed; `undefined` where it is everybody's. Nobody else may learn of it. */
  principal: string | undefined;
  /** When the version that is no more had been asked for; epoch ms. */
  replacedAt: number;
}

/** The longest name of a resource that is held: callers make them up. */
const MAX_LENGTH = 2_048;

/** What an isolate saw change, in order, for listeners to look at in their own time. Bounded: the oldest go. */
export class ChangeLog {
  readonly #capacity: number;
  readonly #ring: Seen[] = [];
  #end = 0;

  constructor(capacity = 1_000) {
    this.#capacity = capacity;
  }

  /** The number of the next change. */
  get end(): number {
    return this.#end;
  }

  /** Takes a change in, but for one whose name is too long: delivery is best effort. */
  add(seen: Seen): void {
    if (seen.change.kind === "resource" && seen.change.uri.length > MAX_LENGTH) return;
    this.#ring[this.#end++ % this.#capacity] = seen;
  }

  /** The changes from the one with that number on. Who comes too late misses some: delivery is best effort. */
  *since(from: number): Generator<Seen> {
    for (let at = Math.max(from, this.#end - this.#capacity); at < this.#end; at++)
      yield this.#ring[at % this.#capacity]!;
  }
}
