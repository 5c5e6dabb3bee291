import { nameOf, type Change } from "../mcp/change.ts";

/** What may have changed is looked at again after this, until it is known whether it has, so often and no more. */
const AGAIN_MS = 5_000;
const MAX_LOOKS = 12;
/** Looked at in one go. */
const AT_ONCE = 10;

interface Doubt {
  change: Change;
  /** When it is looked at next, epoch ms. */
  at: number;
  looks: number;
}

/** What a listener has to look at, because it may have changed. Holds no more than the listener has named. */
export class Doubts {
  readonly #doubts = new Map<string, Doubt>();

  /** Takes in what may have changed; `now` is epoch ms. */
  add(changes: readonly Change[], now: number): void {
    for (const change of changes) this.#doubts.set(nameOf(change), { change, at: now, looks: 0 });
  }

  /** What is to be looked at now. */
  due(now: number): Change[] {
    const due: Change[] = [];
    for (const [name, doubt] of this.#doubts) {
      if (doubt.at > now || due.length >= AT_ONCE) continue;
      due.push(doubt.change);
      doubt.at = now + AGAIN_MS;
      // Somebody will ask for it, sooner or later.
      if (++doubt.looks >= MAX_LOOKS) this.#doubts.delete(name);
    }
    return due;
  }

  /** It is known what there is now. */
  settle(change: Change): void {
    this.#doubts.delete(nameOf(change));
  }
}
