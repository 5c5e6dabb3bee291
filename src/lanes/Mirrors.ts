import type { Collection } from "../config/mirror.ts";
import type { StoredSchemas } from "../mirror/readSchemas.ts";

/** After so many failures in a row nothing is asked of D1 for a while. */
const MAX_FAILURES = 3;
const REST_MS = 5_000;
/** What has not been pulled yet is not asked for again for so long. */
const UNSYNCED_MS = 2_000;

/** What an isolate knows of one collection that is mirrored. Times are epoch ms. */
export interface KnownMirror {
  /** What `mirrorName` says. */
  name: string;
  collection: Collection;
  /** When its object was last called. */
  wokenAt: number;
  /** Until when nothing is asked of it, as it has not been pulled yet. */
  absentUntil: number;
  /** The schemas of the tools that it answers, as they were last read. */
  schemas?: StoredSchemas;
  schemasAt: number;
  /** Whether a tag may be that of one of its rows. */
  mayBeOfRow: (tag: string) => boolean;
}

/** What an isolate remembers of what is mirrored. Plain data; as much as is configured. Times are epoch ms. */
export class Mirrors {
  readonly #known = new Map<Collection, KnownMirror>();
  #failures = 0;
  #restsUntil = 0;

  /** What is known of a collection; `undefined` where nothing is. */
  get(collection: Collection): KnownMirror | undefined {
    return this.#known.get(collection);
  }

  /** Notes a collection's name. */
  add(known: Pick<KnownMirror, "name" | "collection" | "mayBeOfRow">): KnownMirror {
    const { collection } = known;
    // Another request may have come first.
    const there = this.#known.get(collection);
    if (there) return there;
    const added: KnownMirror = { ...known, wokenAt: 0, absentUntil: 0, schemasAt: 0 };
    this.#known.set(collection, added);
    return added;
  }

  /** Whether D1 is left alone, as it has failed again and again. */
  rests(now: number): boolean {
    return now < this.#restsUntil;
  }

  /** D1 has answered. */
  answered(): void {
    this.#failures = 0;
  }

  /** D1 has failed, or was too slow. */
  failed(now: number): void {
    if (++this.#failures < MAX_FAILURES) return;
    // The first that fails after the rest ends in another.
    this.#failures = MAX_FAILURES - 1;
    this.#restsUntil = now + REST_MS;
  }

  /** One has not been pulled yet. */
  absent(known: KnownMirror, now: number): void {
    known.absentUntil = now + UNSYNCED_MS;
  }
}
