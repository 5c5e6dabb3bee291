import type { Collection, OrderPart } from "../config/mirror.ts";
import { columnOf, orderSql } from "./orderOf.ts";
import { Parameters, type Sql, type SqlValue } from "./Sql.ts";
import { tablesOf, type Tables } from "./tables.ts";

/**
 * The most that the bodies of the rows of one answer may be in all, in bytes: more has no body. An isolate has 128 MB for all
 * that it answers at once, and an answer takes some twenty times its rows: as text and as structure, in UTF-16, and in bytes.
 */
const MAX_BYTES = 2_000_000;
/** So many rows cannot be more: none is over 1 MB. */
const FEW = 2;

/** What is read of the record of a collection, and as what. */
const FACTS =
  "m.version, m.oldest, m.as_of AS asOf, m.feed_id AS feedId, m.seq, m.stopped, m.schemas_hash AS schemasHash";

/** Which rows are looked at. `where` and `match` hold parameters. */
export interface Rows {
  /** As SQL, of the rows `r`. */
  where: readonly string[];
  /** What the full-text index is asked: a parameter. */
  match?: string | undefined;
}

/** Writes the statements that read from the tables of one collection. Each says for itself which version it reads. */
export class Statements {
  readonly #name: string;
  readonly #tables: Tables;

  /** `name` is `mirrorName(…)`. */
  constructor(name: string, collection: Pick<Collection, "search">) {
    this.#name = name;
    this.#tables = tablesOf(name, collection);
  }

  /** The record, and the row with a key, where there is one: in `version`, else in the latest. */
  byKey(key: string, version?: number): Sql {
    const seen = version === undefined ? "m.version" : "?3";
    const text =
      `SELECT ${FACTS}, r.key, r.body, r.uri FROM mirror m LEFT JOIN ${this.#tables.rows} r ` +
      `ON r.key = ?2 AND r.since <= ${seen} AND r.until > ${seen} WHERE m.name = ?1`;
    return { text, values: version === undefined ? [this.#name, key] : [this.#name, key, version] };
  }

  /** The record; with `rows`, how many there are as `total`. */
  record(parameters?: Parameters, rows?: Rows, version?: number): Sql {
    const all = parameters ?? new Parameters();
    const count = rows ? `, (SELECT count(*) ${this.#from(all, rows, version)}) AS total` : "";
    return { text: `SELECT ${FACTS}${count} FROM mirror m WHERE m.name = ${all.bind(this.#name)}`, values: all.values };
  }

  /** The rows in their order, with what they are ordered by as `o0`, `o1`… where `withValues`. Those of `version`; else of the latest. */
  rows(
    parameters: Parameters,
    rows: Rows,
    order: readonly OrderPart[] | "rank",
    page: { limit: number; offset?: number; version?: number | undefined; withValues?: boolean },
  ): Sql {
    const from = this.#from(parameters, rows, page.version);
    const isRanked = order === "rank";
    const offset = page.offset ? ` OFFSET ${parameters.bind(page.offset)}` : "";
    // First which rows, then what they hold: what is ordered is small.
    const which =
      `SELECT r.id${isRanked ? ", rank" : ""} ${from} ` +
      `ORDER BY ${orderSql(order)} LIMIT ${parameters.bind(page.limit)}${offset}`;
    const values =
      page.withValues && !isRanked ? order.map(({ by }, nth) => `, ${columnOf(by)} AS o${nth}`).join("") : "";
    const body =
      page.limit <= FEW
        ? "r.body"
        : `CASE WHEN sum(octet_length(r.body)) OVER () > ${MAX_BYTES} THEN NULL ELSE r.body END AS body`;
    const text =
      `SELECT r.key, ${body}, r.uri, r.since${values} FROM (${which}) p ` +
      `CROSS JOIN ${this.#tables.rows} r ON r.id = p.id ORDER BY ${orderSql(order)}`;
    return { text, values: parameters.values };
  }

  /** The rows that readers of the version see, as far as they are looked at. */
  #from(parameters: Parameters, { where, match }: Rows, version: SqlValue = null): string {
    const seen =
      version === null
        ? `(SELECT version FROM mirror WHERE name = ${parameters.bind(this.#name)})`
        : parameters.bind(version);
    const all = [`r.since <= ${seen}`, `r.until > ${seen}`, ...where];
    if (match === undefined) return `FROM ${this.#tables.rows} r WHERE ${all.join(" AND ")}`;
    const { rows, text } = this.#tables;
    const found = `${text} MATCH ${match}`;
    return `FROM ${text} CROSS JOIN ${rows} r ON r.id = ${text}.rowid WHERE ${[found, ...all].join(" AND ")}`;
  }
}
