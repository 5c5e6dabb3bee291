import type { Order, OrderPart } from "../config/mirror.ts";
import { argumentAt } from "./argumentAt.ts";
import type { Parameters, SqlValue } from "./Sql.ts";

const BY_KEY: readonly OrderPart[] = [{ by: "key", falls: false }];

/**
 * By what rows are ordered: the key at last, so that no two are equal. `"rank"`: the best found first, then by key.
 * `undefined` where the call asks for an order that nobody has named.
 */
export function orderOf(
  order: Order,
  args: Readonly<Record<string, unknown>>,
  isRanked: boolean,
): readonly OrderPart[] | "rank" | undefined {
  let parts: readonly OrderPart[] | undefined;
  if (order && "argument" in order) {
    const given = argumentAt(order.argument, args);
    if (given !== "absent") {
      parts = given === "unusable" || typeof given.value !== "string" ? undefined : order.when.get(given.value);
      if (!parts) return undefined;
    }
  } else parts = order;
  if (!parts) return isRanked ? "rank" : BY_KEY;
  const key = parts.findIndex(({ by }) => by === "key");
  return key < 0 ? [...parts, ...BY_KEY] : parts.slice(0, key + 1);
}

/** The order of the rows `r`, as SQL. Null comes before everything, or after where it falls, as SQLite has it. */
export function orderSql(order: readonly OrderPart[] | "rank"): string {
  if (order === "rank") return "rank, r.key";
  return order.map(({ by, falls }) => `${columnOf(by)}${falls ? " DESC" : ""}`).join(", ");
}

/** What a row is ordered by, as SQL. */
export function columnOf(by: OrderPart["by"]): string {
  return by === "key" ? "r.key" : `r.c${by}`;
}

/** That a row comes after the one that has these values, as SQL. */
export function afterSql(order: readonly OrderPart[], values: readonly SqlValue[], parameters: Parameters): string {
  let sql = "";
  for (let nth = order.length - 1; nth >= 0; nth--) {
    const { by, falls } = order[nth]!;
    const value = values[nth]!;
    // The plus keeps the planner from looking each alternative up in an index, and ordering all that it finds.
    const column = `+${columnOf(by)}`;
    const bound = value === null ? "" : parameters.bind(value);
    const beyond =
      value === null
        ? falls
          ? "0"
          : `${column} IS NOT NULL`
        : falls
          ? `(${column} < ${bound} OR ${column} IS NULL)`
          : `${column} > ${bound}`;
    const same = value === null ? `${column} IS NULL` : `${column} = ${bound}`;
    sql = sql === "" ? beyond : `(${beyond} OR (${same} AND ${sql}))`;
    // Where an index has this order, it is entered here.
    if (nth === 0 && value !== null && (!falls || by === "key")) {
      sql = `${columnOf(by)} ${falls ? "<" : ">"}= ${bound} AND ${sql}`;
    }
  }
  return sql;
}
