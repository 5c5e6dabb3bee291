import type { Question } from "./ask.ts";
import { afterSql } from "./orderOf.ts";
import { Parameters } from "./Sql.ts";
import type { Rows, Statements } from "./Statements.ts";
import type { WantedRows } from "./wantedRows.ts";
import { whereOf } from "./whereOf.ts";

/** As many as D1 takes. */
const MAX_PARAMETERS = 100;

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
  if (!rows) return undefined;
  const after = cursor?.after;
  const where = after && order !== "rank" ? [...rows.where, afterSql(order, after, parameters)] : rows.where;
  const page = {
    limit: pages ? limit + 1 : limit,
    offset: cursor && !after ? cursor.before : 0,
    version: cursor?.version,
    withValues: pages,
  };
  const asked = statements.rows(parameters, { ...rows, where }, order, page);
  if (asked.values.length > MAX_PARAMETERS) return undefined;
  return { record: counted(statements, wanted, counts), rows: asked };
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
  for (const part of text?.within ?? []) where.push(`instr(r.plain, ${parameters.bind(part)}) > 0`);
  return { where, match: text?.match === undefined ? undefined : parameters.bind(text.match) };
}
