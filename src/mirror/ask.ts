import type { Sql, SqlValue } from "./Sql.ts";

/** The record of a collection, as it is read together with rows. */
export interface ReadRecord {
  /** 0 before the first. */
  version: number;
  oldest: number;
  asOf: number;
  feedId: string | null;
  seq: number;
  /** JSON. */
  stopped: string;
  schemasHash: string;
  /** How many rows there are, where that was asked. */
  total?: number;
}

/** A row, as it is read. */
export type ReadRow = { key: string; body: string | null; uri: string | null } & Record<string, SqlValue>;

/** What is asked of one collection: the statement that reads its record, which may read one row too; and one that reads rows. */
export interface Question {
  record: Sql;
  rows?: Sql;
}

/** What was said to a question. */
export interface Said {
  /** Absent where there is none. */
  record: ReadRecord | undefined;
  rows: readonly ReadRow[];
}

/** Asks all of it in one round trip, as one transaction. Errors of D1 are thrown as they are. */
export async function ask(db: D1DatabaseSession, questions: readonly Question[]): Promise<Said[]> {
  const statements = questions.flatMap(({ record, rows }) => (rows ? [record, rows] : [record]));
  const prepared = statements.map(({ text, values }) => db.prepare(text).bind(...values));
  const results = prepared.length === 1 ? [await prepared[0]!.all()] : await db.batch(prepared);
  let nth = 0;
  return questions.map(({ rows }) => {
    const [record] = results[nth++]!.results as unknown as (ReadRecord & Partial<ReadRow>)[];
    if (rows) return { record, rows: results[nth++]!.results as unknown as ReadRow[] };
    const isRow = record?.key !== undefined && record.key !== null;
    return { record, rows: isRow ? [record as ReadRecord & ReadRow] : [] };
  });
}

/** Asks a replica of the database; and the database itself, where the replica does not know the version yet. */
export async function askAt(db: D1Database, questions: readonly Question[], version = 0): Promise<Said[]> {
  const said = await ask(db.withSession("first-unconstrained"), questions);
  const known = said[0]!.record?.version ?? 0;
  return known < version ? ask(db.withSession("first-primary"), questions) : said;
}
