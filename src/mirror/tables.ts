import type { Collection } from "../config/mirror.ts";

/** The `until` of a row that is still there: the largest integer of JavaScript. */
export const STILL = 9_007_199_254_740_991;

/** The tables of a definition, as SQL names them. */
export interface Tables {
  rows: string;
  /** Where there is something to search. Its row ids are those of `rows`. */
  text: string | undefined;
}

/** `name` is `mirrorName(…)`. */
export function tablesOf(name: string, { search }: Pick<Collection, "search">): Tables {
  return { rows: quoted(`rows:${name}`), text: search && quoted(`text:${name}`) };
}

/** The statements that make them, where they are not there. */
export function makingOf(
  name: string,
  collection: Pick<Collection, "from" | "columns" | "indexes" | "search">,
): string[] {
  const { rows, text } = tablesOf(name, collection);
  const columns = collection.columns.map((_, nth) => `, c${nth} ANY`).join("");
  const indexes = collection.indexes.map(
    (places, nth) =>
      `CREATE INDEX IF NOT EXISTS ${quoted(`c${nth}:${name}`)} ON ${rows} (${places.map((place) => `c${place}, `).join("")}key)`,
  );
  return [
    // The body comes last but for what is rarely read, so that what is read of a row alone need not read past it.
    `CREATE TABLE IF NOT EXISTS ${rows}
      (id INTEGER PRIMARY KEY, key TEXT NOT NULL, since INTEGER NOT NULL, until INTEGER NOT NULL, hash TEXT NOT NULL${columns},
       uri TEXT, body TEXT NOT NULL, plain TEXT) STRICT`,
    `CREATE UNIQUE INDEX IF NOT EXISTS ${quoted(`key:${name}`)} ON ${rows} (key, since)`,
    `CREATE INDEX IF NOT EXISTS ${quoted(`until:${name}`)} ON ${rows} (until) WHERE until <> ${STILL}`,
    ...(collection.from.kind === "tool"
      ? []
      : [`CREATE INDEX IF NOT EXISTS ${quoted(`uri:${name}`)} ON ${rows} (uri) WHERE uri IS NOT NULL`]),
    ...indexes,
    ...(text === undefined
      ? []
      : [
          `CREATE VIRTUAL TABLE IF NOT EXISTS ${text} USING fts5(${textColumns(collection)}, ${textOptions(collection)})`,
        ]),
  ];
}

/** The statements after which there are none. */
export function droppingOf(name: string): string[] {
  return [`DROP TABLE IF EXISTS ${quoted(`text:${name}`)}`, `DROP TABLE IF EXISTS ${quoted(`rows:${name}`)}`];
}

/** The columns of the text table, as SQL lists them. */
export function textColumns({ search }: Pick<Collection, "search">): string {
  return (search?.columns ?? []).map((_, nth) => `t${nth}`).join(", ");
}

function textOptions({ search }: Pick<Collection, "search">): string {
  const way =
    search?.match === "contains"
      ? `tokenize='trigram case_sensitive 1'`
      : `tokenize='unicode61 remove_diacritics 2', prefix='2 3'`;
  return `content='', contentless_delete=1, ${way}`;
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
