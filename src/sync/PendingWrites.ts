import { cut, ORIGIN_TAG } from "../cache/implicitTags.ts";

/** More tags than this are told as if all writes were of the whole origin: they are told with each answer. */
const MAX_TAGS = 1_000;

/**
 * How many queued writes of an origin wait for each tag that they will invalidate. In the storage of a Durable Object:
 * where it begins anew, readers go on being told, and the outbox need not say it again.
 */
export class PendingWrites {
  readonly #sql: SqlStorage;
  #counts: Record<string, number> = Object.create(null);

  constructor(sql: SqlStorage) {
    this.#sql = sql;
    sql.exec("CREATE TABLE IF NOT EXISTS pending_write (tag TEXT PRIMARY KEY, count INTEGER NOT NULL) STRICT");
    for (const { tag, count } of sql.exec<{ tag: string; count: number }>("SELECT tag, count FROM pending_write"))
      this.#counts[tag] = count;
  }

  /** By tag; `undefined` where none waits. */
  get counts(): Record<string, number> | undefined {
    // What crosses to others is a plain object.
    return Object.keys(this.#counts).length === 0 ? undefined : { ...this.#counts };
  }

  /** Takes in all that wait. Of those that wait as before nothing is written. */
  replace(given: Readonly<Record<string, number>>): void {
    const before = this.#counts;
    const after = bounded(given);
    for (const tag of Object.keys(before)) {
      if (!(tag in after)) this.#sql.exec("DELETE FROM pending_write WHERE tag = ?", tag);
    }
    for (const [tag, count] of Object.entries(after)) {
      if (before[tag] === count) continue;
      this.#sql.exec("INSERT OR REPLACE INTO pending_write (tag, count) VALUES (?, ?)", tag, count);
    }
    this.#counts = after;
  }
}

/** The counts by tag as entries have it, without those of nothing; of very many tags, at most how many writes there are. */
function bounded(given: Readonly<Record<string, number>>): Record<string, number> {
  const counts: Record<string, number> = Object.create(null);
  let sum = 0;
  for (const [tag, count] of Object.entries(given)) {
    if (!(count > 0)) continue;
    const name = cut(tag);
    counts[name] = (counts[name] ?? 0) + count;
    sum += count;
  }
  return Object.keys(counts).length > MAX_TAGS ? Object.assign(Object.create(null), { [ORIGIN_TAG]: sum }) : counts;
}
