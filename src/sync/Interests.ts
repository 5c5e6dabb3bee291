import { listTag, resourceTag } from "../cache/implicitTags.ts";
import type { ListName } from "../mcp/change.ts";
import { inFairShares, type Most } from "./inFairShares.ts";
import type { Interest, Listened } from "./Pulse.ts";

/** The most resources that are listened to for all isolates together: they are one request to the origin, and one row. */
const MOST: Most = { names: 5_000, characters: 262_144 };
/** The characters of all that isolates name is bounded too. One that finds no room is told of lists alone. */
const MAX_HELD = 8 * 1_048_576;
/** An isolate that has not been heard of for this long wants nothing any more. */
const SILENT_MS = 120_000;

interface Wanted {
  wantsListen: boolean;
  lists: readonly ListName[];
  uris: readonly string[];
  /** How long the names of the resources are together. */
  length: number;
  at: number;
}

/** What all isolates together want to be told of. Times are epoch ms. */
export class Interests {
  readonly #most: Most;
  readonly #maxHeld: number;
  /** By isolate; who was heard of last stands last. */
  readonly #wanted = new Map<string, Wanted>();
  #held = 0;
  /** How many isolates let the replica listen. */
  #wanting = 0;
  #union: { lists: Set<ListName>; uris: Set<string>; tags: Set<string> } | undefined;
  #eras: Pick<Interest, "modern" | "legacy"> = {};

  constructor(most = MOST, maxHeld = MAX_HELD) {
    this.#most = most;
    this.#maxHeld = maxHeld;
  }

  /** What was last said of the origin's eras. */
  get eras(): Pick<Interest, "modern" | "legacy"> {
    return this.#eras;
  }

  /** Whether the operator lets the replica listen. While isolates of two configurations are side by side, one that does is enough. */
  get wantsListen(): boolean {
    return this.#wanting > 0;
  }

  /** The resources that somebody listens to. */
  get uris(): ReadonlySet<string> {
    return this.#all().uris;
  }

  /** What is listened to; `undefined` where nothing is. */
  get listened(): Listened | undefined {
    const { lists, uris } = this.#all();
    return lists.size + uris.size === 0 ? undefined : { lists: [...lists], resources: uris.size > 0 };
  }

  /** Takes in what an isolate wants. */
  note(isolate: string, { wantsListen, lists, uris, modern, legacy }: Interest, now: number): void {
    const before = this.#forget(isolate);
    const length = uris.reduce((sum, uri) => sum + uri.length, 0);
    const hasRoom = this.#held + length <= this.#maxHeld;
    const wanted = { wantsListen, lists, uris: hasRoom ? uris : [], length: hasRoom ? length : 0, at: now };
    this.#wanted.set(isolate, wanted);
    this.#held += wanted.length;
    if (wantsListen) this.#wanting++;
    if (!before || !isSame(before, wanted)) this.#union = undefined;
    this.#eras = { ...this.#eras, ...(modern !== undefined && { modern }), ...(legacy !== undefined && { legacy }) };
    for (const [name, { at }] of this.#wanted) {
      if (now - at <= SILENT_MS) break;
      this.#forget(name);
      this.#union = undefined;
    }
  }

  /** Whether somebody listens to what a tag names. */
  has(tag: string): boolean {
    return this.#all().tags.has(tag);
  }

  #forget(isolate: string): Wanted | undefined {
    const known = this.#wanted.get(isolate);
    if (!known) return undefined;
    this.#wanted.delete(isolate);
    this.#held -= known.length;
    if (known.wantsListen) this.#wanting--;
    return known;
  }

  #all() {
    if (this.#union) return this.#union;
    const all = [...this.#wanted.values()];
    const lists = new Set(all.flatMap((wanted) => wanted.lists));
    const uris = inFairShares(
      all.map((wanted) => wanted.uris),
      this.#most,
    );
    const tags = new Set([...[...lists].map(listTag), ...[...uris].map(resourceTag)]);
    return (this.#union = { lists, uris, tags });
  }
}

function isSame(one: Wanted, other: Wanted): boolean {
  return isEqual(one.lists, other.lists) && isEqual(one.uris, other.uris);
}

function isEqual(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((name, nth) => name === other[nth]);
}
