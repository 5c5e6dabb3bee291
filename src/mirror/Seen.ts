/** How many bits a chunk has. */
const CHUNK = 65_536;
/** Chunks that are held at a time: 4 MB. */
const MOST_CHUNKS = 512;

/**
 * What a pull has met: rows by their ids, and cursors. Held in the storage of a Durable Object; what a step changes is written
 * by `save`, together with the state that the step ends with: no `await` between the two, or what is held and what the
 * state says do not agree.
 */
export class Seen {
  readonly #sql: SqlStorage;
  readonly #chunks = new Map<number, Uint8Array<ArrayBuffer>>();
  readonly #dirty = new Set<number>();
  readonly #cursors = new Set<string>();
  /** Whether what is in the storage is not of this pull. */
  #isCleared = false;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
    sql.exec("CREATE TABLE IF NOT EXISTS seen_rows (chunk INTEGER PRIMARY KEY, bits BLOB NOT NULL) STRICT");
    sql.exec("CREATE TABLE IF NOT EXISTS seen_cursor (cursor TEXT PRIMARY KEY) STRICT");
  }

  /** Whether a row was met. */
  has(id: number): boolean {
    return (this.#chunkOf(id)[(id % CHUNK) >> 3]! & (1 << (id & 7))) !== 0;
  }

  /** A row is met. */
  add(id: number): void {
    this.#chunkOf(id)[(id % CHUNK) >> 3]! |= 1 << (id & 7);
    this.#dirty.add(Math.floor(id / CHUNK));
  }

  /** A cursor is met; gives whether it was before. */
  meet(cursor: string): boolean {
    if (this.#cursors.has(cursor)) return true;
    const isKept =
      !this.#isCleared && this.#sql.exec("SELECT 1 FROM seen_cursor WHERE cursor = ?", cursor).toArray().length > 0;
    if (!isKept) this.#cursors.add(cursor);
    return isKept;
  }

  /** Nothing was met. */
  clear(): void {
    this.forget();
    this.#isCleared = true;
  }

  /** What was not saved is as if it had not been. */
  forget(): void {
    this.#chunks.clear();
    this.#dirty.clear();
    this.#cursors.clear();
    this.#isCleared = false;
  }

  /** Whether so much of it has changed that it had better be saved. */
  get isFull(): boolean {
    return this.#dirty.size >= MOST_CHUNKS;
  }

  /** Writes what has changed. */
  save(): void {
    if (this.#isCleared) {
      this.#sql.exec("DELETE FROM seen_rows");
      this.#sql.exec("DELETE FROM seen_cursor");
      this.#isCleared = false;
    }
    for (const chunk of this.#dirty)
      this.#sql.exec("INSERT OR REPLACE INTO seen_rows (chunk, bits) VALUES (?, ?)", chunk, this.#chunks.get(chunk)!);
    for (const cursor of this.#cursors) this.#sql.exec("INSERT OR IGNORE INTO seen_cursor (cursor) VALUES (?)", cursor);
    this.#dirty.clear();
    this.#cursors.clear();
    if (this.#chunks.size >= MOST_CHUNKS) this.#chunks.clear();
  }

  #chunkOf(id: number): Uint8Array<ArrayBuffer> {
    const chunk = Math.floor(id / CHUNK);
    let bits = this.#chunks.get(chunk);
    if (!bits) {
      const [kept] = this.#isCleared
        ? []
        : this.#sql.exec<{ bits: ArrayBuffer }>("SELECT bits FROM seen_rows WHERE chunk = ?", chunk).toArray();
      bits = kept ? new Uint8Array(kept.bits) : new Uint8Array(CHUNK / 8);
      this.#chunks.set(chunk, bits);
    }
    return bits;
  }
}
