import { isOperationTag } from "../outbox/operationId.ts";
import { Feed, type FeedHead, type FeedRow, type How, type News, type Since } from "./Feed.ts";

/** An origin's feed in the storage of a Durable Object. Where the storage is empty, a new feed begins. */
export class KeptFeed {
  readonly #sql: SqlStorage;
  readonly #feed: Feed;
  readonly #invalidated: (tags: readonly string[]) => void;

  /** `newId` names a feed that begins. `invalidated` gets the tags of each invalidation that something kept may carry. */
  constructor(sql: SqlStorage, newId: () => string, invalidated: (tags: readonly string[]) => void = () => {}) {
    this.#sql = sql;
    this.#invalidated = invalidated;
    sql.exec(
      `CREATE TABLE IF NOT EXISTS feed_head
        (only INTEGER PRIMARY KEY CHECK (only = 1), feed_id TEXT NOT NULL, seq INTEGER NOT NULL, floor INTEGER NOT NULL, hard_floor INTEGER NOT NULL)
        STRICT`,
    );
    sql.exec(
      `CREATE TABLE IF NOT EXISTS feed_row
        (tag TEXT PRIMARY KEY, seq INTEGER NOT NULL, hard INTEGER NOT NULL, told INTEGER NOT NULL, at INTEGER NOT NULL) STRICT`,
    );
    sql.exec("INSERT OR IGNORE INTO feed_head (only, feed_id, seq, floor, hard_floor) VALUES (1, ?, 0, 0, 0)", newId());
    const head = sql
      .exec<Row<FeedHead>>("SELECT feed_id AS feedId, seq, floor, hard_floor AS hardFloor FROM feed_head")
      .one();
    this.#feed = new Feed(head, sql.exec<Row<FeedRow>>("SELECT tag, seq, hard, told, at FROM feed_row ORDER BY seq"));
  }

  /** Invalidates tags. `now` is epoch ms. */
  invalidate(tags: readonly string[], how: How, now: number): void {
    const { rows, dropped } = this.#feed.invalidate(tags, how, now);
    const { seq, floor, hardFloor } = this.#feed.head;
    for (const row of rows) {
      const values = [row.tag, row.seq, row.hard, row.told, row.at];
      this.#sql.exec("INSERT OR REPLACE INTO feed_row (tag, seq, hard, told, at) VALUES (?, ?, ?, ?, ?)", ...values);
    }
    for (const tag of dropped) this.#sql.exec("DELETE FROM feed_row WHERE tag = ?", tag);
    if (rows.length + dropped.length > 0)
      this.#sql.exec("UPDATE feed_head SET seq = ?, floor = ?, hard_floor = ?", seq, floor, hardFloor);
    this.#invalidated(tags.filter((tag) => !isOperationTag(tag)));
  }

  /** How far it has come, and how many tags it remembers. */
  get position(): { feedId: string; seq: number; tags: number } {
    const { feedId, seq } = this.#feed.head;
    return { feedId, seq, tags: this.#feed.size };
  }

  /** The seq at which listeners were last told that what a tag names has changed; 0 where nobody remembers that they were. */
  toldAt(tag: string): number {
    return this.#feed.toldAt(tag);
  }

  /** The seq of the latest invalidation of a tag; where none is remembered, the latest that it may have. */
  seqOf(tag: string): number {
    return this.#feed.seqOf(tag);
  }

  get head(): FeedHead {
    return this.#feed.head;
  }

  /** What has changed since what the caller knows. */
  since(since: Since): News {
    return this.#feed.since(since);
  }
}

type Row<T> = { [Name in keyof T]: T[Name] & SqlStorageValue };
