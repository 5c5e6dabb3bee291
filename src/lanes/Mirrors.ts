import type { Collection } from "../config/mirror.ts";
import type { StoredSchemas } from "../mirror/readSchemas.ts";

/** After so many failures in a row nothing is asked of one for a while. */
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
  /** How often in a row D1 has failed with it, or was too slow: and until when it is left alone for that. What is asked of others may be quicker. */
  failures: number;
  restsUntil: number;
  /** The schemas of the tools that it answers, as they were last read. */
  schemas?: StoredSchemas;
  schemasAt: number;
  /** Whether a tag may be that of one of its rows. */
  mayBeOfRow: (tag: string) => boolean;
}

/** What an isolate remembers of what is mirrored. Plain data; as much as is configured. Times are epoch ms. */
export class Mirrors {
  readonly #known = new Map<Collection, KnownMirror>();

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
    const added: KnownMirror = { ...known, wokenAt: 0, absentUntil: 0, failures: 0, restsUntil: 0, schemasAt: 0 };
    this.#known.set(collection, added);
    return added;
  }

  /** Whether one of these is left alone, as D1 has failed with it again and again. */
  rest(of: readonly KnownMirror[], now: number): boolean {
    return of.some(({ restsUntil }) => now < restsUntil);
  }

  /** D1 has answered for these. */
  answered(of: readonly KnownMirror[]): void {
    for (const known of of) known.failures = 0;
  }

  /** D1 has failed with these, or was too slow. */
  failed(of: readonly KnownMirror[], now: number): void {
    for (const known of of) {
      if (++known.failures < MAX_FAILURES) continue;
      // The first that fails after the rest ends in another.
      known.failures = MAX_FAILURES - 1;
      known.restsUntil = now + REST_MS;
    }
  }

  /** One has not been pulled yet. */
  absent(known: KnownMirror, now: number): void {
    known.absentUntil = now + UNSYNCED_MS;
  }
}
