import type { RowSource } from "../config/mirror.ts";
import { isObject } from "../mcp/isObject.ts";
import { answeredIn } from "./answeredIn.ts";
import { valueAt } from "../mcp/pointer.ts";

/** The rows of a page, the JSON of the cursor to the next, and how many rows there are in all. Or in a few words, why it is no page. */
export type PageRows = { rows: unknown[]; next?: string; total?: number } | { bad: string };

/** A cursor is held for as long as a pull takes. */
const MAX_CURSOR = 16_384;

/** Reads a page out of the result of a tool. `text`: the JSON that it was read from. */
export function rowsIn(
  { result, text }: { result: Record<string, unknown>; text: string },
  { rows: at, cursor, total: totalAt }: Pick<Extract<RowSource, { kind: "tool" }>, "rows" | "cursor" | "total">,
): PageRows {
  const answered = answeredIn(result, text);
  if ("bad" in answered) return answered;
  const { value } = answered;
  const rows = valueAt(value, at);
  if (!Array.isArray(rows)) return { bad: `it has ${kindOf(rows)} at ${placeOf(at)}, where the rows should be` };
  const next = cursor && valueAt(value, cursor.next);
  if (cursor && next !== undefined && next !== null && typeof next !== "string" && typeof next !== "number") {
    return { bad: `it has ${kindOf(next)} at ${placeOf(cursor.next)}, where the cursor should be` };
  }
  const isLast = next === undefined || next === null || next === "";
  // It goes back as what it came as.
  const nextText = isLast ? undefined : JSON.stringify(next);
  if (nextText && nextText.length > MAX_CURSOR) {
    return { bad: `its cursor has ${nextText.length} characters, of at most ${MAX_CURSOR}` };
  }
  const total = totalAt === undefined ? undefined : valueAt(value, totalAt);
  const isTotal = typeof total === "number" && Number.isSafeInteger(total) && total >= 0;
  return { rows, ...(nextText !== undefined && { next: nextText }), ...(isTotal && { total }) };
}

/** What is there instead, as one calls it. */
function kindOf(value: unknown): string {
  if (value === undefined) return "nothing";
  if (value === null) return "null";
  if (Array.isArray(value)) return "an array";
  return isObject(value) ? "an object" : `a ${typeof value}`;
}

function placeOf(pointer: string): string {
  return pointer === "" ? "its top" : pointer;
}
