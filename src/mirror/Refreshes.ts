import type { Suspect } from "./concerns.ts";

/** A row that is to be asked for again. */
export type Refresh = Exclude<Suspect, string>;

/** More are not asked for one by one. */
const MAX_NOTED = 1_000;
const MAX_LENGTH = 4_096;

/** The rows that are to be asked for again, in the storage of a Durable Object: those noted first come first. Noted again, one comes last. */
export class Refreshes {
  readonly #sql: SqlStorage;
  #size: number;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
    sql.exec(
      "CREATE TABLE IF NOT EXISTS refresh (nth INTEGER PRIMARY KEY AUTOINCREMENT, what TEXT NOT NULL UNIQUE) STRICT",
    );
    this.#size = this.#count();
  }

  get size(): number {
    return this.#size;
  }

  /** The number of the one that was noted last; 0 where none was. */
  get last(): number {
    return this.#sql.exec<{ nth: number | null }>("SELECT max(nth) AS nth FROM refresh").one().nth ?? 0;
  }

  /** Notes rows. False where there are too many, or where one cannot be noted: then none is, and all has to be pulled. */
  note(refreshes: readonly Refresh[]): boolean {
    const texts = refreshes.map((one) => JSON.stringify(one));
    if (this.#size + texts.length > MAX_NOTED || texts.some(({ length }) => length > MAX_LENGTH)) return false;
    for (const text of texts) this.#sql.exec("INSERT OR REPLACE INTO refresh (what) VALUES (?)", text);
    this.#size = this.#count();
    return true;
  }

  /** The first ones, and their numbers. */
  first(count: number): { nth: number; what: Refresh }[] {
    return this.#sql
      .exec<{ nth: number; what: string }>("SELECT nth, what FROM refresh ORDER BY nth LIMIT ?", count)
      .toArray()
      .map(({ nth, what }) => ({ nth, what: JSON.parse(what) as Refresh }));
  }

  /** They are done, unless they were noted again meanwhile. */
  done(numbers: readonly number[]): void {
    for (const nth of numbers) this.#sql.exec("DELETE FROM refresh WHERE nth = ?", nth);
    this.#size = this.#count();
  }

  /** Those are done that were noted up to that one. */
  doneTo(nth: number): void {
    this.#sql.exec("DELETE FROM refresh WHERE nth <= ?", nth);
    this.#size = this.#count();
  }

  clear(): void {
    this.#sql.exec("DELETE FROM refresh");
    this.#size = 0;
  }

  #count(): number {
    return this.#sql.exec<{ n: number }>("SELECT count(*) AS n FROM refresh").one().n;
  }
}
