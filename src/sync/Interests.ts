import { listTag, resourceTag } from "../cache/implicitTags.ts";
import type { ListName } from "../mcp/change.ts";
import type { Interest, Listened } from "./Pulse.ts";

/** The most resources that are listened to for all isolates together. */
const MAX_URIS = 5_000;
/** An isolate that has not been heard of for this long wants nothing any more. */
const SILENT_MS = 120_000;

interface Wanted {
  interest: Interest;
  /** What it says, in one text. */
  text: string;
  at: number;
}

/** What all isolates together want to be told of. Times are epoch ms. */
export class Interests {
  /** By isolate; who was heard of last stands last. */
  readonly #wanted = new Map<string, Wanted>();
  #union: { lists: Set<ListName>; uris: Set<string>; tags: Set<string> } | undefined;
  #latest: Interest | undefined;

  /** What the isolate that was heard of last says of the origin. */
  get latest(): Interest | undefined {
    return this.#latest;
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
  note(isolate: string, interest: Interest, now: number): void {
    const text = JSON.stringify([interest.lists, interest.uris]);
    const before = this.#wanted.get(isolate);
    this.#wanted.delete(isolate);
    this.#wanted.set(isolate, { interest, text, at: now });
    if (before?.text !== text) this.#union = undefined;
    const { modern = this.#latest?.modern, legacy = this.#latest?.legacy } = interest;
    this.#latest = { ...interest, ...(modern !== undefined && { modern }), ...(legacy !== undefined && { legacy }) };
    for (const [name, { at }] of this.#wanted) {
      if (now - at <= SILENT_MS) break;
      this.#wanted.delete(name);
      this.#union = undefined;
    }
  }

  /** Whether somebody listens to what a tag names. */
  has(tag: string): boolean {
    return this.#all().tags.has(tag);
  }

  #all() {
    if (this.#union) return this.#union;
    const lists = new Set<ListName>();
    const uris = new Set<string>();
    for (const { interest } of this.#wanted.values()) {
      for (const list of interest.lists) lists.add(list);
      for (const uri of interest.uris) if (uris.size < MAX_URIS) uris.add(uri);
    }
    const tags = new Set([...[...lists].map(listTag), ...[...uris].map(resourceTag)]);
    return (this.#union = { lists, uris, tags });
  }
}
