import * as z from "zod";
import { name } from "./namedTags.ts";
import { parseShaped } from "./parseShaped.ts";

/** What an operator wants to see of a collection: all of it, or what one of `key`, `where` and `search` names. */
export interface RowsWanted {
  /** Absent where it goes without saying. */
  origin?: string | undefined;
  collection: string;
  /** The parts of a key. */
  key?: string[] | undefined;
  /** Conditions on columns, as text: `price<=10`. */
  where?: string[] | undefined;
  search?: string | undefined;
  limit: number;
}

const MAX_LIMIT = 1_000;
const DEFAULT_LIMIT = 20;

const limit = `1 to ${MAX_LIMIT}`;
const texts = z.union([
  name.transform((one) => [one]),
  z.array(name).min(1, "one of them at least").max(16, "16 at most"),
]);
const shape = z.strictObject({
  origin: name.optional(),
  collection: name,
  key: texts.optional(),
  where: texts.optional(),
  search: name.optional(),
  limit: z.int(limit).min(1, limit).max(MAX_LIMIT, limit).default(DEFAULT_LIMIT),
});

/** Reads what is asked of rows; what is wrong with it is said as a text. */
export function parseRows(body: string): RowsWanted | { detail: string } {
  const parsed = parseShaped(shape, body);
  if ("detail" in parsed) return parsed;
  const { key, where, search } = parsed.data;
  if ([key, where, search].filter((one) => one !== undefined).length > 1)
    return { detail: "it names more than one of key, where and search" };
  return parsed.data;
}
