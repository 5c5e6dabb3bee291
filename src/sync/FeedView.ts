import type { Entry, Position } from "../cache/entry.ts";
import { concerning, type Place } from "../cache/concerning.ts";
import { isOperationTag } from "../outbox/operationId.ts";
import type { News, Since } from "./Feed.ts";
import { HealthView } from "./HealthView.ts";
import type { PulseReply } from "./Pulse.ts";
import type { Seen } from "./Sighting.ts";

/** What the feed says of an entry. */
export type Verdict =
  /** Nothing. */
  | "sound"
  /** One of its tags was invalidated since it was asked for. */
  | "stale"
  /** It may have been: it is from before what the feed remembers, or of another feed, or of none. */
  | "suspect"
  /** One of its tags was invalidated for good. */
  | "gone";

/** A question to the feed; `nth` says in which order they were put. */
export interface Question extends Since {
  nth: number;
}

/** What was new in an answer. */
export interface Heard {
  /** It is another feed than the one that was known, or the first: anything may have happened. */
  isOther: boolean;
  /** The tags that were invalidated. */
  invalidated: string[];
  /** Those of which listeners are to be told that what they name has changed. */
  told: string[];
}

const NONE_PENDING: ReadonlyMap<string, number> = new Map();

const NOTHING: Heard = Object.freeze({ isOther: false, invalidated: [], told: [] });

/** After so many pulses without an answer an isolate says that it goes on by itself. */
const DETACHED_PULSES = 3;

/**
 * What an isolate knows of an origin's feed. Plain data, shared between requests: promises belong to the request that
 * made them. Times are epoch ms.
 */
export class FeedView {
  /** The isolate's own, random: made when it is first needed, as nothing may be random before there is a request. */
  get name(): string {
    return (this.#name ??= this.#newName());
  }
  /** How the origin is. */
  readonly health: HealthView;
  /** Another one each time that something of what is said of entries may have changed. */
  version: number;
  /** When the feed is asked next; in the past where nobody has come since. */
  dueAt = 0;
  /** When it was last heard, or first asked; 0 while neither has been. */
  heardAt = 0;
  /** Whether what is known may be old: see `isDetached`. Looked at anew with each pulse. */
  detached = false;
  /** Until when an answer is waited for; 0 where none is. */
  joiningUntil = 0;
  /** The tags that are about to be invalidated, and whether hard. */
  readonly bumps = new Map<string, boolean>();
  /** Until when an announced invalidation is waited for; 0 where there is none. */
  bumpingUntil = 0;
  /** When tags were last invalidated from here. */
  bumpedAt = 0;
  /** What was seen to say something else than before, and the feed has not been told yet. */
  seen: Seen[] = [];
  /** Until when it is about to be told. */
  seeingUntil = 0;
  /** When it was last told. */
  seenAt = 0;
  /** The tags of lists that may have changed: what is kept of them is to be asked for again. */
  readonly doubted = new Set<string>();
  /** What anybody listens to, as the feed last said. */
  listened: PulseReply["listened"];
  /** How many queued writes wait for each tag, as the feed last said. */
  pending: ReadonlyMap<string, number> = NONE_PENDING;
  /** When it was last said what is listened to here; 0 where it never was. */
  interestedAt = 0;
  /** Since when the origin tells of all that is listened to here, as a pulse that was begun at `askedAt` found; epoch ms. */
  covered: { since: number; askedAt: number; uris: ReadonlySet<string> } | undefined;
  /** Until when the origin is being asked to tell of something new, or has been in vain; 0 where it is not. */
  seekingUntil = 0;
  #name: string | undefined;
  readonly #newName: () => string;
  #position: Position | undefined;
  #floor = 0;
  #hardFloor = 0;
  readonly #tags = new Map<string, { seq: number; hard: number }>();
  /** The latest invalidations of tags that are alike, by what the likeness is called, as of a version of the view. */
  readonly #alike = new Map<string, { version: number; seq: number; hard: number }>();
  #asked = 0;
  /** What `pending` is from: the feed's seq as it was said, and which question it answers. */
  #pendingAt = { feedId: "", seq: 0, nth: 0 };
  /** How many questions had been put when another feed was found. */
  #movedAt = 0;

  /** `before`: what the versions are counted from. */
  constructor(newName: () => string, health = new HealthView(), before = 0) {
    this.#newName = newName;
    this.health = health;
    this.version = before + 1;
  }

  /** How far the feed is known; `undefined` while nothing was ever heard of it. */
  get position(): Position | undefined {
    return this.#position;
  }

  /** Whether somebody who has just asked the feed was never answered, or not for long: it can know of no late invalidation. */
  isDetached(now: number, pulseMs: number): boolean {
    return this.#position === undefined || now - this.heardAt > DETACHED_PULSES * pulseMs;
  }

  /** What to ask the feed. */
  ask(): Question {
    return { nth: ++this.#asked, seq: this.#position?.seq ?? 0, feedId: this.#position?.feedId };
  }

  /**
   * Takes in the answer to a question; what was new in it. Answers overtake each other: one that says less than is known
   * says nothing.
   */
  hear({ nth }: Question, { feedId, seq, floor, hardFloor, changes }: News): Heard {
    const before = this.#position;
    if (before?.feedId !== feedId) {
      // Where the question is from before this feed was known, the answer may be that of the one before.
      if (nth <= this.#movedAt) return NOTHING;
      this.#movedAt = this.#asked;
      this.#tags.clear();
    } else if (seq <= before.seq) return NOTHING;
    this.#position = { feedId, seq };
    this.#floor = floor;
    this.#hardFloor = hardFloor;
    // Nothing that is kept carries the tag of an operation, and there may be any number of them.
    for (const { tag, seq: at, hard } of changes) if (!isOperationTag(tag)) this.#tags.set(tag, { seq: at, hard });
    for (const [tag, known] of this.#tags) if (known.seq <= floor && known.hard <= hardFloor) this.#tags.delete(tag);
    this.version++;
    if (before?.feedId !== feedId) {
      // What another feed has told of, nobody has heard here; but who knew of none cannot say what is news.
      const told = before ? changes.filter((change) => change.told > 0).map(({ tag }) => tag) : [];
      return { isOther: true, invalidated: [], told };
    }
    const news = changes.filter((change) => change.seq > before.seq);
    return {
      isOther: false,
      invalidated: news.map(({ tag }) => tag),
      told: news.filter(({ told }) => told > before.seq).map(({ tag }) => tag),
    };
  }

  /**
   * Takes in which queued writes wait, as an answer that `hear` was given says. Answers overtake each other: what is
   * certain to be older than what is known says nothing.
   */
  hearPending({ nth }: Question, { feedId, seq, pending }: Pick<PulseReply, "feedId" | "seq" | "pending">): void {
    if (feedId !== this.#position?.feedId) return;
    const known = this.#pendingAt;
    const isOlder = feedId === known.feedId && (seq < known.seq || (seq === known.seq && nth < known.nth));
    if (isOlder) return;
    this.#pendingAt = { feedId, seq, nth };
    this.pending = pending ? new Map(Object.entries(pending)) : NONE_PENDING;
  }

  /** What the feed says of an entry. That there is nothing against it is noted on the entry, until the view changes. */
  judge(entry: Entry, address: Place): Verdict {
    if (entry.soundAt === this.version) return "sound";
    const verdict = this.#look(entry, address);
    if (verdict === "sound") entry.soundAt = this.version;
    return verdict;
  }

  /**
   * Notes on an entry that it is no older than what listeners were told of at `seq`: that tells of the very change that it
   * shows. Where something else was invalidated since, it is as old as it was.
   */
  vouch(entry: Entry, address: Place, tag: string, seq: number): void {
    const position = this.#position;
    if (!position || (this.#tags.get(tag)?.seq ?? 0) > seq) return;
    if (this.#look(entry, address, tag) === "sound") entry.seq = Math.max(entry.seq ?? 0, position.seq);
  }

  #look({ feedId, seq = -1, tags, scope }: Entry, address: Place, but?: string): Verdict {
    const position = this.#position;
    // Who knows of no feed knows of no invalidation.
    if (!position) return "sound";
    if (feedId !== position.feedId) return "suspect";
    // A late store of an old answer is found out here: what counts is what was known when the origin was asked.
    if (seq >= position.seq) return "sound";
    if (seq < this.#hardFloor) return "gone";
    let verdict: Verdict = seq < this.#floor ? "suspect" : "sound";
    for (const tag of concerning(address, tags, scope)) {
      const known = tag === but ? undefined : this.#tags.get(tag);
      if (!known || known.seq <= seq) continue;
      if (known.hard > seq) return "gone";
      verdict = "stale";
    }
    return verdict;
  }

  /**
   * What the feed says of an answer that depends on things which nobody can name one by one: as `judge`, for all tags
   * that are like theirs. `name` stands for these: they are looked through once for each version of the view.
   */
  judgeAll({ feedId, seq }: Partial<Position>, name: string, isLike: (tag: string) => boolean): Verdict {
    const position = this.#position;
    if (!position) return "sound";
    if (feedId !== position.feedId || seq === undefined) return "suspect";
    let known = this.#alike.get(name);
    if (known?.version !== this.version) {
      known = { version: this.version, seq: 0, hard: 0 };
      for (const [tag, { seq, hard }] of this.#tags) {
        if ((seq <= known.seq && hard <= known.hard) || !isLike(tag)) continue;
        known.seq = Math.max(known.seq, seq);
        known.hard = Math.max(known.hard, hard);
      }
      this.#alike.set(name, known);
    }
    if (known.hard > seq) return "gone";
    return known.seq > seq ? "stale" : "sound";
  }

  /** The seq of the latest invalidation that may concern an answer. */
  latest(address: Place, tags: readonly string[]): number {
    let latest = this.#floor;
    for (const tag of concerning(address, tags, address.partition?.scope ?? "public")) {
      latest = Math.max(latest, this.#tags.get(tag)?.seq ?? 0);
    }
    return latest;
  }
}
