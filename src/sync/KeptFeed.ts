import { Feed, type FeedHead, type FeedRow, type News, type Since } from "./Feed.ts";

/** An origin's feed in the storage of a Durable Object. Where the storage is empty, a new feed begins. */
export class KeptFeed {
  readonly #sql: SqlStorage;
  readonly #feed: Feed;

  /** `newId` names a feed that begins. */
  constructor(sql: SqlStorage, newId: () => string) {
    this.#sql = sql;
    sql.exec(
      `CREATE TABLE IF NOT EXISTS feed
        (only INTEGER PRIMARY KEY CHECK (only = 1), feed_id TEXT NOT NULL, seq INTEGER NOT NULL, floor INTEGER NOT NULL, hard_floor INTEGER NOT NULL)
        STRICT`,
    );
    sql.exec(
      `CREATE TABLE IF NOT EXISTS feed_tag
        (tag TEXT PRIMARY KEY, seq INTEGER NOT NULL, hard INTEGER NOT NULL, at INTEGER NOT NULL) STRICT`,
    );
    sql.exec("INSERT OR IGNORE INTO feed (only, feed_id, seq, floor, hard_floor) VALUES (1, ?, 0, 0, 0)", newId());
    const head = sql
      .exec<Row<FeedHead>>("SELECT feed_id AS feedId, seq, floor, hard_floor AS hardFloor FROM feed")
      .one();
    this.#feed = new Feed(head, sql.exec<Row<FeedRow>>("SELECT tag, seq, hard, at FROM feed_tag ORDER BY seq"));
  }

  /** Invalidates tags. What has changed since what the caller knows, with that. */
  invalidate(tags: readonly string[], hard: boolean, since: Since, now: number): News {
    const { rows, dropped } = this.#feed.invalidate(tags, hard, now);
    const { seq, floor, hardFloor } = this.#feed.head;
    for (const row of rows) {
      const values = [row.tag, row.seq, row.hard, row.at];
      this.#sql.exec("INSERT OR REPLACE INTO feed_tag (tag, seq, hard, at) VALUES (?, ?, ?, ?)", ...values);
    }
    for (const tag of dropped) this.#sql.exec("DELETE FROM feed_tag WHERE tag = ?", tag);
    if (rows.length + dropped.length > 0)
      this.#sql.exec("UPDATE feed SET seq = ?, floor = ?, hard_floor = ?", seq, floor, hardFloor);
    return this.#feed.since(since);
  }

  /** What has changed since what the caller knows. */
  since(since: Since): News {
    return this.#feed.since(since);
  }
}

type Row<T> = { [Name in keyof T]: T[Name] & SqlStorageValue };
