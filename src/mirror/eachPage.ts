import type { OwnCalls } from "../origin/OwnCalls.ts";
import { memberAt } from "./fillTemplate.ts";
import { fewAtOnce } from "./fewAtOnce.ts";
import { isUnmade } from "./readMirror.ts";
import { resourceRow } from "./resourceRow.ts";
import { rowsOf } from "./resourcePage.ts";
import type { NoPage, Page } from "./Source.ts";
import { tablesOf } from "./tables.ts";
import { expandUri } from "./uriTemplate.ts";

/** The collection whose rows a template is filled from: as it is called, and where its rows are. */
export interface EachOf {
  collection: string;
  db: D1Database;
  /** As `mirrorName` gives it. */
  name: string;
}

/** Where a pull is: at a version of the other collection, after the row with that key. */
interface Place {
  version: number;
  after: string;
}

interface Row {
  version: number;
  key: string | null;
  body: string | null;
}

/** How many rows are filled in for one page. */
const AT_MOST = 20;

/**
 * A page of the resources that a template names, filled from the rows of another collection: of one version, as long as
 * that is kept. Rows that have not all that it takes name none; resources that are not there are left out.
 */
export async function eachPage(
  calls: OwnCalls,
  template: string,
  each: EachOf,
  cursor: string | undefined,
): Promise<Omit<Page, "requests"> | NoPage> {
  const place = cursor === undefined ? undefined : (JSON.parse(cursor) as Place);
  const rows = await rowsAfter(each, place);
  if (!Array.isArray(rows)) return rows;
  if (rows.length === 0)
    return { bad: `Nothing has been mirrored of ${each.collection} yet, whose rows name its resources.` };
  const there = rows.filter(({ key }) => key !== null);
  const uris = there.flatMap(({ body }) => {
    const row: unknown = JSON.parse(body!);
    return expandUri(template, (name) => memberAt(row, name.split("."))) ?? [];
  });
  const page = rowsOf(await fewAtOnce(uris, calls.atOnce, (uri) => resourceRow(calls, uri)));
  if (!("rows" in page) || there.length < AT_MOST) return page;
  const { version, key } = there.at(-1)!;
  return { ...page, next: JSON.stringify({ version, after: key! } satisfies Place) };
}

/** The next rows in the order of their keys; one without a key where there are no more, and nothing where nothing has been mirrored. */
async function rowsAfter({ db, name, collection }: EachOf, place: Place | undefined): Promise<Row[] | NoPage> {
  const { rows } = tablesOf(name, { search: undefined });
  const statement = `SELECT pinned.version, row.key, row.body
    FROM (SELECT CASE WHEN ?2 BETWEEN oldest AND version THEN ?2 ELSE version END AS version
      FROM mirror WHERE name = ?1 AND version > 0) AS pinned
    LEFT JOIN ${rows} AS row ON row.key > ?3 AND row.since <= pinned.version AND row.until > pinned.version
    ORDER BY row.key LIMIT ?4`;
  try {
    const found = await db
      .prepare(statement)
      .bind(name, place?.version ?? -1, place?.after ?? "", AT_MOST)
      .all<Row>();
    return found.results;
  } catch (error) {
    // Its tables are made with its first pull.
    if (isUnmade(error)) return [];
    return { bad: `The rows of ${collection}, which name its resources, could not be read.` };
  }
}
