import type { Dialect } from "./dialect.ts";

/** How a schema describes the items of an array. */
export interface Items {
  /** The schemas of the first ones. */
  firsts: readonly unknown[];
  /** The schema of all others; `undefined` where there is none. */
  rest: unknown;
  /** Whether that is all that it says of them, as far as is known. */
  isWhole: boolean;
}

/** Reads the items of a schema. Before 2020-12 a list of schemas stood in `items` itself. */
export function itemsOf(schema: Readonly<Record<string, unknown>>, dialect: Dialect): Items {
  const { items, prefixItems, additionalItems, unevaluatedItems } = schema;
  const isList = Array.isArray(items);
  if (dialect !== "2020-12") {
    const isWhole = unevaluatedItems === undefined && prefixItems === undefined;
    return { firsts: isList ? items : [], rest: isList ? additionalItems : items, isWhole };
  }
  const firsts: readonly unknown[] | undefined =
    prefixItems === undefined ? [] : Array.isArray(prefixItems) ? prefixItems : undefined;
  if (isList || !firsts) return { firsts: [], rest: undefined, isWhole: false };
  return { firsts, rest: items, isWhole: unevaluatedItems === undefined };
}
