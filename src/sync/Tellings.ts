import { ownTag } from "../cache/ownTag.ts";
import type { FeedHead, How } from "./Feed.ts";
import type { Sighting } from "./Sighting.ts";

/** What was last told of a tag because somebody saw it change. */
export interface Telling {
  /** At which seq. */
  seq: number;
  /** The tag's latest invalidation before that. */
  before: number;
  /** The fingerprint of what it says since. */
  after: string;
  /** When it still said something else; epoch ms. */
  since: number;
}

/** What is remembered of tellings, by tag. */
export interface TellingStore {
  get: (tag: string) => Telling | undefined;
  set: (tag: string, telling: Telling) => void;
}

/** The feed, as far as it is needed here. */
export interface ToldFeed {
  readonly head: FeedHead;
  toldAt: (tag: string) => number;
  seqOf: (tag: string) => number;
  invalidate: (tags: readonly string[], how: How, now: number) => unknown;
}

/**
 * Sees to it that listeners are told of a change once, however many see it. An isolate that replaces an entry asked for
 * before the latest telling sees what was told then; unless the entry says just what that telling was about: then it has
 * changed again. Pure: what is remembered is kept elsewhere.
 */
export class Tellings {
  readonly #feed: ToldFeed;
  readonly #store: TellingStore;

  constructor(feed: ToldFeed, store: TellingStore) {
    this.#feed = feed;
    this.#store = store;
  }

  /**
   * Takes a sighting in; `now` is epoch ms. Whether it was news, and the seq at which it was told of where the new entry is no
   * older than that; else 0.
   */
  take(sighting: Sighting, now: number): { isNews: boolean; toldAt: number } {
    const { tag, replaced, replacedAt, asked, before, after } = sighting;
    const feed = this.#feed;
    const { feedId } = feed.head;
    const own = tagOf(sighting);
    // What is of another feed is from before all that this one has told.
    const from = replaced?.feedId === feedId ? replaced.seq : -1;
    const told = Math.max(feed.toldAt(own), feed.toldAt(tag));
    let last = this.#store.get(own);
    // That it said so once, before it said something else, does not count.
    const isAgain = last?.seq === told && last.after === before && replacedAt > last.since;
    const isNews = told <= from || told === 0 || isAgain;
    if (isNews) {
      const latest = feed.seqOf(own);
      feed.invalidate([own], { told: true }, now);
      last = { seq: feed.head.seq, before: latest, after, since: replacedAt };
      this.#store.set(own, last);
    }
    const isSame = last !== undefined && last.after === after && last.seq === feed.seqOf(own);
    const isNoOlder = asked?.feedId === feedId && last !== undefined && asked.seq >= last.before;
    return { isNews, toldAt: isSame && isNoOlder ? last!.seq : 0 };
  }
}

/** The tag under which listeners are told of a sighting. */
export function tagOf({ tag, principal }: Pick<Sighting, "tag" | "principal">): string {
  return principal === undefined ? tag : ownTag(principal, tag);
}
