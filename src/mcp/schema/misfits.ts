import { dialectOf } from "./dialect.ts";
import { NO } from "./Fit.ts";
import { Judge, type Misfit } from "./Judge.ts";

/**
 * Where a value certainly does not fit a JSON Schema: the first few places. None where it fits, and where nobody can tell:
 * see `Judge`.
 */
export function misfits(schema: unknown, value: unknown): readonly Misfit[] {
  const dialect = dialectOf(schema);
  if (dialect === undefined) return [];
  const judge = new Judge(schema, dialect);
  return judge.judge(value) === NO ? judge.misfits : [];
}
