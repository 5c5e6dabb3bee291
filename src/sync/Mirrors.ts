import type { LocationHint } from "../config/types.ts";

/** What of an origin's feed a mirror has to be told of. Plain data: it crosses to `OriginSync`. */
export interface Concerns {
  /** Tags as they are. */
  tags: readonly string[];
  /** What tags begin with. */
  beginnings: readonly string[];
}

/** A mirror of an origin: what `mirrorName` names, and where its object lives. */
export interface MirrorPlace {
  name: string;
  region?: LocationHint;
}

/** So many mirrors of one origin are told of news; those that were heard of last. */
const MAX_MIRRORS = 100;
/** Of one of which nothing was heard for so long nobody needs to know. */
const SILENT_MS = 7 * 86_400_000;
/** Each call of a mirror need not be written down. */
const RENEW_MS = 3_600_000;

/** The mirrors of an origin, in the storage of its `OriginSync`, and what each has to be told of. Times are epoch ms. */
export class Mirrors {
  readonly #sql: SqlStorage;
  readonly #all = new Map<string, { place: MirrorPlace; concerns: Concerns; text: string; at: number }>();

  constructor(sql: SqlStorage) {
    this.#sql = sql;
    sql.exec(
      "CREATE TABLE IF NOT EXISTS told_mirror (name TEXT PRIMARY KEY, value TEXT NOT NULL, at INTEGER NOT NULL) STRICT",
    );
    for (const { name, value, at } of sql.exec<{ name: string; value: string; at: number }>(
      "SELECT name, value, at FROM told_mirror ORDER BY at",
    ))
      this.#all.set(name, { ...(JSON.parse(value) as { place: MirrorPlace; concerns: Concerns }), text: value, at });
  }

  /** Notes one, or that it is still there. */
  note(place: MirrorPlace, concerns: Concerns, now: number): void {
    const { name } = place;
    const text = JSON.stringify({ place, concerns });
    const known = this.#all.get(name);
    if (known?.text === text && now - known.at < RENEW_MS) return;
    // Who was heard of last stands last.
    this.#all.delete(name);
    this.#all.set(name, { place, concerns, text, at: now });
    this.#sql.exec("INSERT OR REPLACE INTO told_mirror (name, value, at) VALUES (?, ?, ?)", name, text, now);
    for (const [other, { at }] of this.#all) {
      if (this.#all.size <= MAX_MIRRORS && now - at <= SILENT_MS) break;
      this.#all.delete(other);
      this.#sql.exec("DELETE FROM told_mirror WHERE name = ?", other);
    }
  }

  /** Those that one of the tags concerns. */
  concerned(tags: readonly string[]): MirrorPlace[] {
    return [...this.#all.values()].filter(({ concerns }) => doConcern(concerns, tags)).map(({ place }) => place);
  }
}

function doConcern({ tags, beginnings }: Concerns, told: readonly string[]): boolean {
  return told.some((tag) => tags.includes(tag) || beginnings.some((beginning) => tag.startsWith(beginning)));
}
