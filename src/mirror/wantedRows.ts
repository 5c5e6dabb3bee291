import type { AnswerQuery, Collection, Condition, OrderPart, Term } from "../config/mirror.ts";
import { givenFor, isPlain } from "./argumentAt.ts";
import { isOwnCursor, readCursor, type Cursor } from "./Cursor.ts";
import { matchQuery, type TextQuery } from "./matchQuery.ts";
import { orderOf } from "./orderOf.ts";

type RowsQuery = Extract<AnswerQuery, { kind: "rows" }>;
type Arguments = Readonly<Record<string, unknown>>;

/** How many of the best found can be paged through: each page ranks them all. */
export const MAX_RANKED = 10_000;

const DEFAULT_LIMIT = 100;
const MAX_LIMIT = 1_000;

/** What a call wants of a collection. */
export interface WantedRows {
  collection: Pick<Collection, "columns">;
  conditions: readonly Condition[];
  args: Arguments;
  text: TextQuery | undefined;
  order: readonly OrderPart[] | "rank";
  limit: number;
  cursor: Cursor | undefined;
}

/** Reads the call's arguments as the rule has it. */
export function wantedRows(
  collection: Pick<Collection, "columns" | "search">,
  { where, search, order: by, limit: most, cursor: from }: RowsQuery,
  args: Arguments,
): WantedRows | "not-covered" | "bad-cursor" {
  const text = search && textOf(collection.search?.match ?? "words", search, args);
  const limit = limitOf(most, args);
  if (text === "not-covered" || limit === undefined) return "not-covered";
  const order = orderOf(by, args, collection.search?.match === "words" && text?.match !== undefined);
  if (!order) return "not-covered";
  const cursor = from && cursorOf(from, order, args);
  if (typeof cursor === "string") return cursor;
  return { collection, conditions: where, args, text, order, limit, cursor };
}

/** `undefined`: it counts for nothing, as the call has no such argument. */
function textOf(
  how: "words" | "contains",
  { text, prefix }: NonNullable<RowsQuery["search"]>,
  args: Arguments,
): TextQuery | undefined | "not-covered" {
  const given = givenFor(text, args);
  if (given === "absent") return undefined;
  if (given === "unusable" || typeof given.value !== "string" || !isPlain(given.value)) return "not-covered";
  return matchQuery(how, given.value, prefix) ?? "not-covered";
}

function limitOf(term: Term | undefined, args: Arguments): number | undefined {
  const given = term === undefined ? "absent" : givenFor(term, args);
  if (given === "absent") return DEFAULT_LIMIT;
  const limit = given === "unusable" ? undefined : given.value;
  const isLimit = Number.isInteger(limit) && (limit as number) >= 1 && (limit as number) <= MAX_LIMIT;
  return isLimit ? (limit as number) : undefined;
}

function cursorOf(
  term: Term,
  order: WantedRows["order"],
  args: Arguments,
): Cursor | undefined | "not-covered" | "bad-cursor" {
  const given = givenFor(term, args);
  if (given === "absent") return undefined;
  // Others are the origin's own.
  if (given === "unusable" || typeof given.value !== "string" || !isOwnCursor(given.value)) return "not-covered";
  const cursor = readCursor(given.value, order === "rank" ? 0 : order.length);
  return cursor && !(order === "rank" && cursor.before >= MAX_RANKED) ? cursor : "bad-cursor";
}
