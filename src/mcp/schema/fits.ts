import { dialectOf } from "./dialect.ts";
import { YES } from "./Fit.ts";
import { Judge } from "./Judge.ts";

/**
 * Whether a value certainly fits a JSON Schema just as it is, so that no server has to read it as something else first.
 * Patterns and formats are not looked at, and count as kept.
 */
export function fits(schema: unknown, value: unknown): boolean {
  const dialect = dialectOf(schema);
  return dialect !== undefined && new Judge(schema, dialect, YES).judge(value) === YES;
}
