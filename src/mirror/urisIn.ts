import { STILL, tablesOf } from "./tables.ts";

/** The longest URI that an origin is asked to tell of, in bytes: five hundred stand in one value of the object's storage, which takes 2 MB. */
const MAX_TOLD = 2_000;

/** The resources that the rows of a mirror came from; `name` is what `mirrorName` names it. Throws what D1 throws. */
export function urisIn(db: D1Database, name: string) {
  const live = `SELECT uri FROM ${tablesOf(name, { search: undefined }).rows} WHERE until = ${STILL} AND uri IS NOT NULL`;
  return {
    /** Some of them, without those that are very long. */
    async some(most: number): Promise<string[]> {
      const { results } = await db
        .prepare(`${live} AND octet_length(uri) <= ${MAX_TOLD} LIMIT ?1`)
        .bind(most)
        .all<{ uri: string }>();
      return results.map(({ uri }) => uri);
    },
    /** That of one row. */
    async of(key: string): Promise<string | undefined> {
      const row = await db.prepare(`${live} AND key = ?1`).bind(key).first<{ uri: string }>();
      return row?.uri;
    },
  };
}
