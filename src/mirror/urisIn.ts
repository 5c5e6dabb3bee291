import { STILL, tablesOf } from "./tables.ts";

/** The resources that the rows of a mirror came from; `name` is what `mirrorName` names it. Throws what D1 throws. */
export function urisIn(db: D1Database, name: string) {
  const live = `SELECT uri FROM ${tablesOf(name, { search: undefined }).rows} WHERE until = ${STILL} AND uri IS NOT NULL`;
  return {
    /** Some of them. */
    async some(most: number): Promise<string[]> {
      const { results } = await db.prepare(`${live} LIMIT ?1`).bind(most).all<{ uri: string }>();
      return results.map(({ uri }) => uri);
    },
    /** That of one row. */
    async of(key: string): Promise<string | undefined> {
      const row = await db.prepare(`${live} AND key = ?1`).bind(key).first<{ uri: string }>();
      return row?.uri;
    },
  };
}
