import type { Question } from "./ask.ts";
import { afterSql } from "./orderOf.ts";
import { Parameters } from "./Sql.ts";
import type { Rows, Statements } from "./Statements.ts";
import type { WantedRows } from "./wantedRows.ts";
import { whereOf } from "./whereOf.ts";

/** D1 takes a hundred; some are needed for the version, the limit, and the place where a page begins. */
const MAX_PARAMETERS = 100 - 4;

/**
 * What is asked for the rows that are wanted: one more than the limit with `pages`, so that it is known whether there is
 * another page. With `counts`, how many there are in all. `undefined` where an argument cannot be gone by.
 */
export function rowsQuestion(
  statements: Statements,
  wanted: WantedRows,
  { pages, counts }: { pages: boolean; counts: boolean },
): Question | undefined {
  const { order, limit, cursor } = wanted;
  const parameters = new Parameters();
  const rows = looked(wanted, parameters);
  // If not for all pages, then for none.
  if (!rows || parameters.count + order.length > MAX_PARAMETERS) return undefined;
  const after = cursor?.after;
  const where = after && order !== "rank" ? [...rows.where, afterSql(order, after, parameters)] : rows.where;
  const page = {
    limit: pages ? limit + 1 : limit,
    offset: cursor && !after ? cursor.before : 0,
    version: cursor?.version,
    withValues: pages,
  };
  return {
    record: counted(statements, wanted, counts),
    rows: statements.rows(parameters, { ...rows, where }, order, page),
  };
}

function counted(statements: Statements, wanted: WantedRows, counts: boolean) {
  const parameters = new Parameters();
  const rows = counts ? looked(wanted, parameters) : undefined;
  return statements.record(parameters, rows, wanted.cursor?.version);
}

/** Which rows are looked at, whatever the page. */
function looked({ collection, conditions, args, text }: WantedRows, parameters: Parameters): Rows | undefined {
  const where = whereOf(collection, conditions, args, parameters);
  if (!where) return undefined;
  const within = (text?.within ?? []).map((part) => `instr(r.plain, ${parameters.bind(part)}) > 0`);
  if (within.length > 0) where.push(`(${within.join(" AND ")})`);
  return { where, match: text?.match === undefined ? undefined : parameters.bind(text.match) };
}
