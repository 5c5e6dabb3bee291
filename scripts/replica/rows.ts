import { options, UsageError } from "../commandLine.ts";
import { callReplica, LOCAL_URL } from "./callReplica.ts";
import { grouped } from "./count.ts";
import { printable } from "./printable.ts";

export const ROWS_USAGE = `npm run replica -- rows COLLECTION [--key K]... [--where "price<=10"]... [--search TEXT] [--limit N]
                            [--origin ID] [--url URL] [--json]`;

/** Of a row that is one of several, and of its key. */
const MAX_ROW = 160;
const MAX_KEY = 60;

/** What is shown of a collection. */
interface Shown {
  version: number;
  /** In all, of this version. */
  size: number;
  /** `since`: the version that brought it. */
  rows: { key: string[]; since: number; body: unknown }[];
}

/** `replica rows`: shows rows of a collection of a replica, local or deployed. */
export async function rows(args: string[]): Promise<void> {
  const { values, positionals } = options({
    args,
    allowPositionals: true,
    options: {
      key: { type: "string", multiple: true },
      where: { type: "string", multiple: true },
      search: { type: "string" },
      limit: { type: "string" },
      origin: { type: "string" },
      url: { type: "string", default: LOCAL_URL },
      json: { type: "boolean" },
    },
  });
  const { key, where, search, limit, origin, url, json } = values;
  const [collection, ...more] = positionals;
  if (collection === undefined || more.length > 0) throw new UsageError("Name one collection.");
  if ([key, where, search].filter((one) => one !== undefined).length > 1)
    throw new UsageError("--key, --where and --search exclude each other.");
  if (limit !== undefined && !/^\d{1,4}$/.test(limit)) throw new UsageError(`--limit ${limit}: expected 1 to 1000`);
  const body = { origin, collection, key, where, search, ...(limit !== undefined && { limit: Number(limit) }) };
  const text = await callReplica(url, "/admin/rows", { method: "POST", body });
  if (json) {
    console.log(text);
    return;
  }
  const shown = JSON.parse(text) as Shown;
  console.error(
    `${printable(collection)}: ${grouped(shown.rows.length)} of ${grouped(shown.size)} rows, version ${shown.version}`,
  );
  for (const line of linesOf(shown)) console.log(line);
}

/** One row whole; several in a line each. */
function linesOf({ rows }: Shown): string[] {
  const [first] = rows;
  if (first && rows.length === 1) return [JSON.stringify(first.body, null, 2).split("\n").map(plain).join("\n")];
  return rows.map(
    ({ key, body }) => `${printable(key.join(" "), MAX_KEY)}  ${printable(JSON.stringify(body), MAX_ROW)}`,
  );
}

/** A whole line, which does nothing to a terminal. */
function plain(line: string): string {
  return printable(line, Infinity);
}
