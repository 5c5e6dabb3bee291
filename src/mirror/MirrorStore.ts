import type { Collection } from "../config/mirror.ts";
import { chunksOf } from "./chunksOf.ts";
import type { Budget, Position } from "./PullState.ts";
import type { MirrorRow } from "./rowOf.ts";
import { droppingOf, makingOf, STILL, tablesOf, type Tables } from "./tables.ts";
import { Writing, type Write } from "./Writing.ts";

/** The row of `mirror`: how a collection stands in D1. */
export interface MirrorRecord {
  /** 0 before the first. */
  version: number;
  oldest: number;
  /** Epoch ms. */
  asOf: number;
  feedId: string | null;
  seq: number;
  /** How many rows the version has. */
  size: number;
  /** Tool to epoch ms. */
  stopped: Record<string, number>;
  schemasHash: string;
}

/** What came of asking for single rows again. */
export interface Refreshed {
  /** What readers see now, and what they saw: the same where nothing has changed. */
  version: number;
  before: number;
  added: number;
  changed: number;
  removed: number;
}

/** How the tables stand, before something is written to them. */
export interface Stand extends Position {
  version: number;
  asOf: number;
  size: number;
  /** The largest id of a row. */
  top: number;
  /** Whether there is something of a version that no reader sees: of a pull that was given up, or is under way. */
  hasMore: boolean;
}

/** A row that is there under a key. */
export interface Found {
  id: number;
  /** Whether it has the hash that was asked for. */
  isSame: boolean;
  /** Whether no reader has seen it yet. */
  isNext: boolean;
  /** Whether it then takes the place of one that they see. */
  hasBefore: boolean;
}

type FoundRow = Record<"place" | "id" | "isSame" | "isNext" | "hasBefore", number>;

/** How many rows are looked at, or removed, by one request. */
export const PORTION = 5_000;
/** Statements in a batch of questions. */
const MAX_QUESTIONS = 4;

/** All that is written of a collection in D1. Its `MirrorSync` alone writes. Errors of D1 are thrown as they are. */
export class MirrorStore {
  /** Requests that D1 got, and rows that it wrote, those of indexes included, since this was made. */
  readonly spent = { requests: 0, written: 0 };
  readonly #db: D1Database;
  readonly #name: string;
  readonly #collection: Collection;
  readonly #tables: Tables;

  /** `name` is `mirrorName(…)`. */
  constructor(db: D1Database, name: string, collection: Collection) {
    this.#db = db;
    this.#name = name;
    this.#collection = collection;
    this.#tables = tablesOf(name, collection);
  }

  /** Makes its tables and its row in `mirror`, where they are not there: before all else. `name` is the collection's as the operator calls it. */
  async prepare(origin: string, name: string): Promise<void> {
    const insert = "INSERT OR IGNORE INTO mirror (name, origin, collection) VALUES (?, ?, ?)";
    await this.#batch([
      ...makingOf(this.#name, this.#collection).map((sql) => this.#db.prepare(sql)),
      this.#bound(insert, this.#name, origin, name),
    ]);
  }

  /** How it stands; `undefined` before `prepare`. */
  async state(): Promise<MirrorRecord | undefined> {
    const columns =
      "version, oldest, as_of AS asOf, feed_id AS feedId, seq, size, stopped, schemas_hash AS schemasHash";
    const [row] = await this.#rows<Omit<MirrorRecord, "stopped"> & { stopped: string }>(
      this.#bound(`SELECT ${columns} FROM mirror WHERE name = ?`, this.#name),
    );
    return row && { ...row, stopped: JSON.parse(row.stopped) as Record<string, number> };
  }

  /** How the tables stand. */
  async stand(): Promise<Stand> {
    const { rows } = this.#tables;
    const [row] = await this.#rows<Omit<Stand, "hasMore"> & { hasMore: number }>(
      this.#bound(
        `SELECT version, as_of AS asOf, feed_id AS feedId, seq, size, coalesce((SELECT max(id) FROM ${rows}), 0) AS top,
          coalesce((SELECT since FROM ${rows} ORDER BY id DESC LIMIT 1), 0) > version
            OR EXISTS (SELECT 1 FROM ${rows} WHERE until = version + 1 AND until <> ${STILL}) AS hasMore
          FROM mirror WHERE name = ?`,
        this.#name,
      ),
    );
    if (!row) throw new Error("the collection is not in the database any more");
    return { ...row, hasMore: row.hasMore === 1 };
  }

  /** What is there under each key, place by place. `next` is the version that is being written. */
  async find(rows: readonly Pick<MirrorRow, "key" | "hash">[], next: number): Promise<(Found | undefined)[]> {
    const found = Array.from<Found | undefined>({ length: rows.length });
    const table = this.#tables.rows;
    const sql = `SELECT j.key + ?3 AS place, r.id, r.hash = (j.value ->> 1) AS isSame, r.since = ?2 AS isNext,
        r.since = ?2 AND EXISTS (SELECT 1 FROM ${table} b WHERE b.key = r.key AND b.until = ?2) AS hasBefore
      FROM json_each(?1) j CROSS JOIN ${table} r ON r.key = (j.value ->> 0) AND r.until = ${STILL}`;
    const questions: D1PreparedStatement[] = [];
    for (const { from, json } of chunksOf(rows.map(({ key, hash }) => JSON.stringify([key, hash]))))
      questions.push(this.#bound(sql, json, next, from));
    for (let at = 0; at < questions.length; at += MAX_QUESTIONS) {
      for (const { results } of await this.#batch<FoundRow>(questions.slice(at, at + MAX_QUESTIONS)))
        for (const { place, id, ...is } of results) {
          const [isSame, isNext, hasBefore] = [is.isSame === 1, is.isNext === 1, is.hasBefore === 1];
          found[place] = { id, isSame, isNext, hasBefore };
        }
    }
    return found;
  }

  /** Writes rows of the version `next`, that no reader sees yet. */
  async write(writes: readonly Write[], next: number): Promise<void> {
    for (const batch of new Writing(this.#db, this.#tables, this.#collection, next).batches(writes))
      await this.#batch(batch);
  }

  /** The ids of rows that are there, after one: a portion of them. */
  async live(after: number): Promise<number[]> {
    const sql = `SELECT id FROM ${this.#tables.rows} WHERE id > ? AND until = ${STILL} ORDER BY id LIMIT ${PORTION}`;
    return (await this.#rows<{ id: number }>(this.#bound(sql, after))).map(({ id }) => id);
  }

  /** Rows are not in the version `next`, that no reader sees yet. */
  async vanish(ids: readonly number[], next: number): Promise<void> {
    await this.#batch(this.#vanishing(JSON.stringify(ids), next));
  }

  /** Readers see the version `next`. */
  async publish(next: number, size: number, asOf: number, position: Position): Promise<void> {
    const [result] = await this.#batch([this.#publishing(next - 1, next, size, asOf, position)]);
    expectOne(result);
  }

  /**
   * Makes what a pull has left behind that was given up ready for the next. What it has written stays, to be found again,
   * unless it is more than a version may have: an origin that has other rows each time does not fill the database.
   */
  async recover(next: number): Promise<void> {
    const { maxRows } = this.#collection;
    const newest = `SELECT since FROM ${this.#tables.rows} ORDER BY id DESC LIMIT ?1`;
    const sql = `SELECT count(*) AS count FROM (${newest}) WHERE since = ?2`;
    const [left] = await this.#rows<{ count: number }>(this.#bound(sql, maxRows + 1, next));
    await (left!.count > maxRows ? this.#takeBack(next) : this.#revive(next));
  }

  /**
   * Works in single rows that were asked for again, as a version of their own; `asOf` stays. Never while a pull is under way:
   * what one that was given up has left behind is taken back first. `position` is how far the feed was known before the rows
   * were asked for, where all that it told of up to there is worked in. Rows are not added beyond the collection's `maxRows`.
   * `undefined` before the first pull has come to its end.
   */
  async refresh(
    changes: readonly (MirrorRow | { gone: string })[],
    position?: Position,
  ): Promise<Refreshed | undefined> {
    const stand = await this.stand();
    const { version: before, size } = stand;
    if (before === 0) return undefined;
    const next = before + 1;
    if (stand.hasMore) await this.#takeBack(next);
    // A row is asked for twice where it has changed twice: the latest counts.
    const latest = [...new Map(changes.map((one) => ["gone" in one ? one.gone : one.key, one])).entries()];
    const found = await this.find(
      latest.map(([key, one]) => ({ key, hash: "gone" in one ? "" : one.hash })),
      next,
    );
    let [top, added] = [stand.hasMore ? (await this.stand()).top : stand.top, 0];
    const writes: Write[] = [];
    const gone: number[] = [];
    for (const [place, [, one]] of latest.entries()) {
      const there = found[place];
      if ("gone" in one) {
        if (there) gone.push(there.id);
      } else if (!there) {
        if (size + added < this.#collection.maxRows) {
          writes.push({ row: one, id: ++top });
          added++;
        }
      } else if (!there.isSame) writes.push({ row: one, id: ++top, ends: there.id });
    }
    const isNew = writes.length + gone.length > 0;
    const version = isNew ? next : before;
    const counts = { version, before, added, changed: writes.length - added, removed: gone.length };
    if (!isNew && !position) return counts;
    const batches = [...new Writing(this.#db, this.#tables, this.#collection, next).batches(writes)];
    const last = batches.pop() ?? [];
    for (const batch of batches) await this.#batch(batch);
    if (gone.length > 0) last.push(...this.#vanishing(JSON.stringify(gone), next));
    const published = this.#publishing(before, version, size + added - gone.length, stand.asOf, position ?? stand);
    expectOne((await this.#batch([...last, published])).at(-1));
    return counts;
  }

  /** The version is as the origin says it at `asOf`. */
  async renew(asOf: number, { feedId, seq }: Position): Promise<void> {
    await this.#record("as_of = ?2, feed_id = ?3, seq = ?4", asOf, feedId, seq);
  }

  /** A tool is not answered from it any more. `at` is epoch ms. */
  async stop(tool: string, at: number): Promise<void> {
    await this.#record("stopped = json_patch(stopped, ?2)", JSON.stringify({ [tool]: at }));
  }

  /** All tools are answered from it. */
  async resume(): Promise<void> {
    await this.#record("stopped = '{}'");
  }

  /** Holds the input schemas of its tools: JSON, by name. */
  async keepSchemas(json: string, hash: string): Promise<void> {
    await this.#record("schemas = ?2, schemas_hash = ?3", json, hash);
  }

  /** The key of the row that came from a resource, where one did; and whether rows came from resources that lie below it (`above` in `cache/concerning.ts`). */
  async cameFrom(uri: string): Promise<{ key: string | undefined; hasBelow: boolean }> {
    const live = `FROM ${this.#tables.rows} WHERE until = ${STILL} AND`;
    const below = (nth: number) => `EXISTS (SELECT 1 ${live} uri > ?${nth} AND uri < ?${nth + 1})`;
    // What begins with this, and something after it.
    const ranges = uri.endsWith("/")
      ? [uri, endOf(uri)]
      : ["/", "?", "#"].flatMap((end) => [uri + end, endOf(uri + end)]);
    const isBelow = ranges.flatMap((_, nth) => (nth % 2 === 0 ? below(nth + 2) : [])).join(" OR ");
    const sql = `SELECT (SELECT key ${live} uri = ?1 LIMIT 1) AS key, ${isBelow} AS hasBelow`;
    const [row] = await this.#rows<{ key: string | null; hasBelow: number }>(this.#bound(sql, uri, ...ranges));
    return { key: row!.key ?? undefined, hasBelow: row!.hasBelow === 1 };
  }

  /** Versions before this are not read any more: removes rows that are in none but those. Gives whether all are gone. */
  async collect(oldest: number, { requests }: Pick<Budget, "requests"> = { requests: 10 }): Promise<boolean> {
    const { rows } = this.#tables;
    // Readers are told first.
    await this.#record("oldest = max(oldest, min(?2, version))", oldest);
    const ids = `SELECT id FROM ${rows} WHERE until <= (SELECT oldest FROM mirror WHERE name = ?1) AND until <> ${STILL}
      ORDER BY until, id LIMIT ${PORTION}`;
    return this.#inPortions(() => this.#deleting(ids, this.#name), Math.max(1, requests - 1));
  }

  /** Nothing of it is left. */
  async drop(): Promise<void> {
    await this.#batch([
      this.#bound("DELETE FROM mirror WHERE name = ?", this.#name),
      ...droppingOf(this.#name).map((sql) => this.#db.prepare(sql)),
    ]);
  }

  /** What was written for a version that no reader has seen goes, and what ended with it is there again. */
  async #takeBack(next: number): Promise<void> {
    // Ids rise with versions.
    const newest = `SELECT id, since FROM ${this.#tables.rows} ORDER BY id DESC LIMIT ${PORTION}`;
    await this.#inPortions(() => this.#deleting(`SELECT id FROM (${newest}) WHERE since = ?1`, next));
    await this.#revive(next);
  }

  /** What was taken for vanished is there again. */
  async #revive(next: number): Promise<void> {
    const { rows } = this.#tables;
    const ids = `SELECT id FROM ${rows} r WHERE until = ?1 AND until <> ${STILL}
      AND NOT EXISTS (SELECT 1 FROM ${rows} n WHERE n.key = r.key AND n.since = ?1) LIMIT ${PORTION}`;
    await this.#inPortions(() => [this.#bound(`UPDATE ${rows} SET until = ${STILL} WHERE id IN (${ids})`, next)]);
  }

  #publishing(before: number, version: number, size: number, asOf: number, { feedId, seq }: Position) {
    const sets = "version = ?, size = ?, as_of = ?, feed_id = ?, seq = ?";
    const values = [version, size, asOf, feedId, seq, this.#name, before];
    return this.#bound(`UPDATE mirror SET ${sets} WHERE name = ? AND version = ?`, ...values);
  }

  #vanishing(ids: string, next: number): D1PreparedStatement[] {
    const { rows } = this.#tables;
    const these = "id IN (SELECT value FROM json_each(?1))";
    return [
      // What no reader has seen need not end.
      ...this.#deleting(`SELECT id FROM ${rows} WHERE ${these} AND since = ?2`, ids, next),
      this.#bound(`UPDATE ${rows} SET until = ?2 WHERE ${these} AND until = ${STILL}`, ids, next),
    ];
  }

  /** Removes rows and their text. */
  #deleting(ids: string, ...values: unknown[]): D1PreparedStatement[] {
    const { rows, text } = this.#tables;
    return [
      ...(text === undefined ? [] : [this.#bound(`DELETE FROM ${text} WHERE rowid IN (${ids})`, ...values)]),
      this.#bound(`DELETE FROM ${rows} WHERE id IN (${ids})`, ...values),
    ];
  }

  /** Does the same again until there is nothing more to do, which the last of the statements tells; or `times` times. */
  async #inPortions(statements: () => D1PreparedStatement[], times = Number.POSITIVE_INFINITY): Promise<boolean> {
    for (let time = 0; time < times; time++) {
      const results = await this.#batch(statements());
      if (results.at(-1)!.meta.changes < PORTION) return true;
    }
    return false;
  }

  async #record(sets: string, ...values: unknown[]): Promise<void> {
    await this.#batch([this.#bound(`UPDATE mirror SET ${sets} WHERE name = ?1`, this.#name, ...values)]);
  }

  async #rows<T>(statement: D1PreparedStatement): Promise<T[]> {
    const [result] = await this.#batch<T>([statement]);
    return result!.results;
  }

  async #batch<T>(statements: D1PreparedStatement[]): Promise<D1Result<T>[]> {
    this.spent.requests++;
    const results = await this.#db.batch<T>(statements);
    for (const { meta } of results) this.spent.written += meta.rows_written;
    return results;
  }

  #bound(sql: string, ...values: unknown[]): D1PreparedStatement {
    return this.#db.prepare(sql).bind(...values);
  }
}

/** The first text after all that begin with this, which ends in one of ASCII's signs. */
function endOf(beginning: string): string {
  return beginning.slice(0, -1) + String.fromCharCode(beginning.charCodeAt(beginning.length - 1) + 1);
}

function expectOne(result: D1Result | undefined): void {
  if (result?.meta.changes !== 1) throw new Error("another version was written meanwhile");
}
