import type { ColumnKind } from "../config/mirrorTypes.ts";

/** What a column holds, and what it is compared with. */
export type ColumnValue = string | number | null;

const VERSION = /^[≤v]?\d{1,9}(?:\.\d{1,9}){0,5}$/;

/**
 * A value as a column has it: of a row, where it is written, and of an argument, where it is looked for. `null` where it has
 * none: what is absent, an array, an object, or not of the kind.
 */
export function columnValue(as: ColumnKind, value: unknown): ColumnValue {
  switch (as) {
    case "value":
      return plainValue(value);
    case "lower":
      return typeof value === "string" ? value.toWellFormed().toLowerCase() : plainValue(value);
    case "version":
      return versionValue(value);
  }
}

function plainValue(value: unknown): ColumnValue {
  // Lone surrogates, which are no UTF-8, are in SQL as in arguments.
  if (typeof value === "string") return value.toWellFormed();
  if (typeof value === "number") return Number.isFinite(value) ? value : null;
  return typeof value === "boolean" ? Number(value) : null;
}

/** Text whose order is that of the numbers: each of nine digits; 16.0 is 16. */
function versionValue(value: unknown): string | null {
  const text = typeof value === "number" ? String(value) : value;
  if (typeof text !== "string" || !VERSION.test(text)) return null;
  const numbers = text.replace(/^[≤v]/, "").split(".");
  while (numbers.length > 1 && Number(numbers.at(-1)) === 0) numbers.pop();
  return numbers.map((number) => number.padStart(9, "0")).join(".");
}
