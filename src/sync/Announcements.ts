import { ORIGIN_TAG } from "../cache/implicitTags.ts";

/** How many writes may be announced at once, and how long their names and tags may be together, in characters. */
const MOST = { writes: 10_000, characters: 4 * 1_048_576 };

/** More tags than this are told as if all of the origin were being written: they are told with each answer. */
const MAX_TOLD = 1_000;

/** A write that is under way, or may be. */
interface Announced {
  tags: readonly string[];
  /** When it lapses, epoch ms. */
  until: number;
  length: number;
}

/**
 * The writes that are under way at an origin: what they are about to change must not be answered from any cache that
 * promises to be strict. In the storage of a Durable Object, so that none is forgotten. Times are epoch ms.
 */
export class Announcements {
  readonly #sql: SqlStorage;
  readonly #open = new Map<string, Announced>();
  /** How many announce a tag. */
  readonly #tags = new Map<string, number>();
  #length = 0;
  #most: typeof MOST;

  constructor(sql: SqlStorage, most = MOST) {
    this.#sql = sql;
    this.#most = most;
    sql.exec(
      "CREATE TABLE IF NOT EXISTS announcement (id TEXT PRIMARY KEY, tags TEXT NOT NULL, until INTEGER NOT NULL) STRICT",
    );
    for (const { id, tags, until } of sql.exec<{ id: string; tags: string; until: number }>(
      "SELECT * FROM announcement",
    ))
      this.#put(id, JSON.parse(tags) as string[], until);
  }

  /** The tags that are announced at present; where they are very many, the one that every entry has. */
  get tags(): string[] {
    return this.#tags.size > MAX_TOLD ? [ORIGIN_TAG] : [...this.#tags.keys()];
  }

  /** Announces a write, or goes on doing so. Whether there was room: then it is announced when this can be told. */
  announce(id: string, tags: readonly string[], until: number): boolean {
    const isNew = !this.#open.has(id);
    const { writes, characters } = this.#most;
    if (isNew && (this.#open.size >= writes || this.#length + lengthOf(id, tags) > characters)) return false;
    this.#take(id);
    this.#put(id, tags, until);
    this.#sql.exec(
      "INSERT OR REPLACE INTO announcement (id, tags, until) VALUES (?, ?, ?)",
      id,
      JSON.stringify(tags),
      until,
    );
    return true;
  }

  /** The write is over. */
  conclude(id: string): void {
    if (this.#take(id)) this.#sql.exec("DELETE FROM announcement WHERE id = ?", id);
  }

  /** Ends those of which nothing was heard for too long; the tags that they may have changed. */
  lapse(now: number): string[] {
    const lapsed = [...this.#open].filter(([, { until }]) => until <= now);
    for (const [id] of lapsed) this.conclude(id);
    return lapsed.flatMap(([, { tags }]) => tags);
  }

  /** When the next one lapses; `undefined` where none is open. */
  dueAt(): number | undefined {
    let next: number | undefined;
    for (const { until } of this.#open.values()) if (next === undefined || until < next) next = until;
    return next;
  }

  #put(id: string, tags: readonly string[], until: number): void {
    const length = lengthOf(id, tags);
    this.#open.set(id, { tags, until, length });
    this.#length += length;
    for (const tag of tags) this.#tags.set(tag, (this.#tags.get(tag) ?? 0) + 1);
  }

  #take(id: string): boolean {
    const known = this.#open.get(id);
    if (!known) return false;
    this.#open.delete(id);
    this.#length -= known.length;
    for (const tag of known.tags) {
      const others = this.#tags.get(tag)! - 1;
      if (others === 0) this.#tags.delete(tag);
      else this.#tags.set(tag, others);
    }
    return true;
  }
}

function lengthOf(id: string, tags: readonly string[]): number {
  return tags.reduce((sum, tag) => sum + tag.length, id.length);
}
