import { isOperationTag } from "../outbox/operationId.ts";

/** The latest invalidation of a tag. */
export interface FeedRow {
  tag: string;
  /** Of the latest of all. */
  seq: number;
  /** Of the latest hard one; 0 where there was none. */
  hard: number;
  /** Of the latest after which listeners are told that it has changed; 0 where there was none. */
  told: number;
  /** When, epoch ms. */
  at: number;
}

/** What of a feed is not in its rows. */
export interface FeedHead {
  /** Random: a feed that begins anew has another, so that nobody takes its numbers for the old one's. */
  feedId: string;
  /** Of the latest invalidation. */
  seq: number;
  /** What was asked for below this may have been invalidated: the rows that would say so are no more. */
  floor: number;
  /** The same for hard invalidations. Never above `floor`. */
  hardFloor: number;
}

/** What has changed since somebody last asked: for the tags named, the latest seqs. */
export interface News extends FeedHead {
  changes: Omit<FeedRow, "at">[];
}

/** What somebody knows of a feed: how far, and of which. */
export interface Since {
  seq: number;
  feedId: string | undefined;
}

/** How tags are invalidated. */
export interface How {
  /** What carries them is gone: else it is stale. */
  hard?: boolean;
  /** What they name is known to say something else than before: listeners are told. */
  told?: boolean;
}

/** What an invalidation changes in a feed's rows. */
export interface Written {
  rows: FeedRow[];
  /** The tags whose rows are no more. */
  dropped: string[];
}

/** How much is remembered. */
export interface Retention {
  tags: number;
  /** How many of operations, beside those. */
  operations?: number;
  ms: number;
}

const RETENTION: Retention = { tags: 10_000, ms: 7 * 86_400_000 };
/** What a queue sends in two pulses, where each takes a few ms. */
const OPERATIONS = 5_000;

/**
 * What was invalidated at an origin, in the order in which it was: the latest seq of each tag, soft or hard. The tags of
 * operations stand apart: nothing that is kept carries one, so that forgetting them puts nothing in doubt, however many
 * there are. Pure: it is kept elsewhere.
 */
export class Feed {
  readonly #retention: Retention;
  /** The oldest first. */
  readonly #rows = new Map<string, FeedRow>();
  /** Those of operations, the oldest first. */
  readonly #operations = new Map<string, FeedRow>();
  #head: FeedHead;

  /** From what is kept of it; the rows by seq. */
  constructor(head: FeedHead, rows: Iterable<FeedRow> = [], retention = RETENTION) {
    this.#head = head;
    this.#retention = retention;
    for (const row of rows) this.#among(row.tag).set(row.tag, row);
  }

  get head(): FeedHead {
    return this.#head;
  }

  /** How many tags are remembered. */
  get size(): number {
    return this.#rows.size;
  }

  /** Invalidates tags, all under one seq: what was asked for before is stale, or gone. `now` is epoch ms. */
  invalidate(tags: readonly string[], { hard = false, told = false }: How, now: number): Written {
    if (tags.length === 0) return { rows: [], dropped: [] };
    const seq = this.#head.seq + 1;
    this.#head = { ...this.#head, seq };
    const rows = [...new Set(tags)].map((tag): FeedRow => {
      const among = this.#among(tag);
      const before = among.get(tag);
      const row = { tag, seq, hard: hard ? seq : (before?.hard ?? 0), told: told ? seq : (before?.told ?? 0), at: now };
      // The newest stand last.
      among.delete(tag);
      among.set(tag, row);
      return row;
    });
    const dropped = this.#trim(now);
    return { rows: rows.filter(({ tag }) => this.#among(tag).has(tag)), dropped };
  }

  /** What somebody does not know yet: everything, where it is another feed that they know; but of operations those who know of none. */
  since({ seq, feedId }: Since): News {
    const from = feedId === this.#head.feedId ? seq : 0;
    const changes: News["changes"] = [];
    for (const rows of from < this.#head.seq ? [this.#rows, ...(feedId === undefined ? [] : [this.#operations])] : []) {
      for (const { at: _, ...row } of rows.values()) if (row.seq > from) changes.push(row);
    }
    return { ...this.#head, changes };
  }

  /** The seq at which listeners were last told that what a tag names has changed; 0 where nobody remembers that they were. */
  toldAt(tag: string): number {
    return this.#rows.get(tag)?.told ?? 0;
  }

  /** The seq of the latest invalidation of a tag; where none is remembered, the latest that it may have. */
  seqOf(tag: string): number {
    return this.#rows.get(tag)?.seq ?? this.#head.floor;
  }

  #among(tag: string): Map<string, FeedRow> {
    return isOperationTag(tag) ? this.#operations : this.#rows;
  }

  /** Forgets what is too old or too much, and raises the floor over it. */
  #trim(now: number): string[] {
    const { tags, operations = OPERATIONS, ms } = this.#retention;
    const dropped: string[] = [];
    for (const { tag, at } of this.#operations.values()) {
      if (this.#operations.size <= operations && now - at <= ms) break;
      this.#operations.delete(tag);
      dropped.push(tag);
    }
    for (const { tag, seq, hard, at } of this.#rows.values()) {
      if (this.#rows.size <= tags && now - at <= ms) break;
      this.#rows.delete(tag);
      dropped.push(tag);
      const { floor, hardFloor } = this.#head;
      this.#head = { ...this.#head, floor: Math.max(floor, seq), hardFloor: Math.max(hardFloor, hard) };
    }
    return dropped;
  }
}
