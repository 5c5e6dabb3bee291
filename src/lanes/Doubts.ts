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
  /** What was asked for before this is doubtful in any case; epoch ms. */
  since: number;
}

/** What a listener has to look at, because it may have changed. Holds no more than the listener has named. */
export class Doubts {
  readonly #doubts = new Map<string, Doubt>();

  /** Takes in what may have changed; `now` is epoch ms. What was asked for before `since` is doubtful, whatever the feed says. */
  add(changes: readonly Change[], now: number, since = 0): void {
    for (const change of changes) {
      const before = this.#doubts.get(nameOf(change))?.since ?? 0;
      this.#doubts.set(nameOf(change), { change, at: now, looks: 0, since: Math.max(since, before) });
    }
  }

  /** What is to be looked at now. */
  due(now: number): Pick<Doubt, "change" | "since">[] {
    const due: Doubt[] = [];
    for (const [name, doubt] of this.#doubts) {
      if (doubt.at > now || due.length >= AT_ONCE) continue;
      due.push(doubt);
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
