import type { Covers } from "./Upstream.ts";

const TABLE =
  "CREATE TABLE IF NOT EXISTS listening (only INTEGER PRIMARY KEY CHECK (only = 1), covers TEXT NOT NULL) STRICT";

/** What an origin is relied on to tell of, in the storage of a Durable Object: one that begins anew knows that nobody listened meanwhile. */
export class CoverRow {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
    sql.exec(TABLE);
  }

  /** `undefined` where nothing is relied on. */
  read(): Covers | undefined {
    const row = this.#sql.exec<{ covers: string }>("SELECT covers FROM listening").toArray()[0];
    return row && (JSON.parse(row.covers) as Covers);
  }

  write(covers: Covers): void {
    // The storage may have been lost meanwhile.
    this.#sql.exec(TABLE);
    this.#sql.exec("INSERT OR REPLACE INTO listening (only, covers) VALUES (1, ?)", JSON.stringify(covers));
  }

  clear(): void {
    this.#sql.exec(TABLE);
    this.#sql.exec("DELETE FROM listening");
  }
}
