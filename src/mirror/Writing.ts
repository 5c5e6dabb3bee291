import type { Collection } from "../config/mirror.ts";
import { MAX_CHUNK_BYTES } from "./chunksOf.ts";
import { bytesIn, type MirrorRow } from "./rowOf.ts";
import { STILL, textColumns, type Tables } from "./tables.ts";

/** A row that is to be written. */
export interface Write {
  row: MirrorRow;
  id: number;
  /** The id of the row that it takes the place of. */
  ends?: number;
  /** Whether there is one with this id already, that no reader has seen. */
  isRedone?: boolean;
}

/** What is larger is bound value by value: as JSON within JSON it could take several times its size. */
const MAX_ELEMENT_BYTES = 300_000;
/** How much goes to D1 at once. */
const MAX_BATCH_BYTES = 3_600_000;

/** Writes rows of a version, `since`. */
export class Writing {
  readonly #db: D1Database;
  readonly #tables: Tables;
  readonly #columns: string;
  readonly #width: number;
  readonly #texts: string;
  readonly #textWidth: number;
  readonly #isPlain: boolean;
  readonly #since: number;

  constructor(
    db: D1Database,
    tables: Tables,
    { columns, search }: Pick<Collection, "columns" | "search">,
    since: number,
  ) {
    this.#db = db;
    this.#tables = tables;
    this.#columns = `id, key, hash, uri, body, plain${columns.map((_, nth) => `, c${nth}`).join("")}`;
    this.#width = 6 + columns.length;
    this.#texts = `rowid, ${textColumns({ search })}`;
    this.#textWidth = 1 + (search?.columns.length ?? 0);
    this.#isPlain = search?.match === "contains";
    this.#since = since;
  }

  /**
   * The statements, in batches of which each is a transaction of its own. A row is always written together with its text,
   * and with the end of the one before it. Each batch is made when it is wanted.
   */
  *batches(writes: readonly Write[]): Generator<D1PreparedStatement[]> {
    let batch: D1PreparedStatement[] = [];
    let room = MAX_BATCH_BYTES;
    for (const { statements, bytes } of this.#units(writes)) {
      if (bytes > room && batch.length > 0) {
        yield batch;
        batch = [];
        room = MAX_BATCH_BYTES;
      }
      batch.push(...statements);
      room -= bytes;
    }
    if (batch.length > 0) yield batch;
  }

  *#units(writes: readonly Write[]): Generator<{ statements: D1PreparedStatement[]; bytes: number }> {
    let chunk: Element[] = [];
    let bytes = 0;
    for (const write of writes) {
      const row = JSON.stringify(this.#rowOf(write));
      const text = this.#tables.text === undefined ? "" : JSON.stringify(textOf(write));
      const size = bytesIn(row) + bytesIn(text);
      if (size > MAX_ELEMENT_BYTES) {
        yield { statements: this.#one(write), bytes: size };
        continue;
      }
      if (bytes + size > MAX_CHUNK_BYTES) {
        yield { statements: this.#many(chunk), bytes };
        chunk = [];
        bytes = 0;
      }
      chunk.push({ write, row, text });
      bytes += size;
    }
    if (chunk.length > 0) yield { statements: this.#many(chunk), bytes };
  }

  /** In the order of the columns, without what all rows have in common. */
  #rowOf({ id, row: { key, hash, uri, body, columns, text } }: Write): unknown[] {
    return [id, key, hash, uri, body, this.#isPlain ? text.join("\n") : null, ...columns];
  }

  /** Any number of rows: one parameter of JSON for each statement. */
  #many(elements: readonly Element[]): D1PreparedStatement[] {
    const { rows, text } = this.#tables;
    const list = (of: "row" | "text") => `[${elements.map((element) => element[of]).join(",")}]`;
    const members = (count: number) => Array.from({ length: count }, (_, nth) => `value ->> ${nth}`).join(", ");
    const statements = this.#before(elements.map(({ write }) => write));
    const values = `SELECT ${members(this.#width)}, ?2, ${STILL} FROM json_each(?1)`;
    statements.push(
      this.#bound(`INSERT INTO ${rows} (${this.#columns}, since, until) ${values}`, list("row"), this.#since),
    );
    if (text !== undefined) {
      const texts = `SELECT ${members(this.#textWidth)} FROM json_each(?1)`;
      statements.push(this.#bound(`INSERT INTO ${text} (${this.#texts}) ${texts}`, list("text")));
    }
    return statements;
  }

  /** A row by itself. */
  #one(write: Write): D1PreparedStatement[] {
    const { rows, text } = this.#tables;
    const marks = (count: number) => Array.from({ length: count }, () => "?").join(", ");
    const statements = this.#before([write]);
    const values = `VALUES (${marks(this.#width)}, ?, ${STILL})`;
    statements.push(
      this.#bound(`INSERT INTO ${rows} (${this.#columns}, since, until) ${values}`, ...this.#rowOf(write), this.#since),
    );
    if (text !== undefined)
      statements.push(
        this.#bound(`INSERT INTO ${text} (${this.#texts}) VALUES (${marks(this.#textWidth)})`, ...textOf(write)),
      );
    return statements;
  }

  /** Makes room for rows: those before them end, and those that they redo go. */
  #before(writes: readonly Write[]): D1PreparedStatement[] {
    const { rows, text } = this.#tables;
    const statements: D1PreparedStatement[] = [];
    const ended = writes.flatMap(({ ends }) => ends ?? []);
    if (ended.length > 0) {
      const sql = `UPDATE ${rows} SET until = ?2 WHERE id IN (SELECT value FROM json_each(?1)) AND until = ${STILL}`;
      statements.push(this.#bound(sql, JSON.stringify(ended), this.#since));
    }
    const redone = JSON.stringify(writes.flatMap(({ id, isRedone }) => (isRedone ? id : [])));
    if (redone !== "[]") {
      const these = "IN (SELECT value FROM json_each(?1))";
      if (text !== undefined) statements.push(this.#bound(`DELETE FROM ${text} WHERE rowid ${these}`, redone));
      statements.push(this.#bound(`DELETE FROM ${rows} WHERE id ${these}`, redone));
    }
    return statements;
  }

  #bound(sql: string, ...values: unknown[]): D1PreparedStatement {
    return this.#db.prepare(sql).bind(...values);
  }
}

/** A row and its text in JSON. */
interface Element {
  write: Write;
  row: string;
  text: string;
}

function textOf({ id, row: { text } }: Write): unknown[] {
  return [id, ...text];
}
