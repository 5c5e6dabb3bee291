import { RESOURCES, type Condition, type OrderPart, type Test } from "../config/mirror.ts";
import type { ColumnKind } from "../config/mirrorTypes.ts";
import { ask } from "./ask.ts";
import { matchQuery } from "./matchQuery.ts";
import type { Mirrored } from "./MirrorReply.ts";
import { isUnmade } from "./readMirror.ts";
import { KEY_SEPARATOR } from "./rowOf.ts";
import { Parameters } from "./Sql.ts";
import { Statements, type Rows } from "./Statements.ts";
import { whereOf } from "./whereOf.ts";

/** What of a collection an operator wants to see: one of these, or all. */
export interface RowsLike {
  /** The parts of a key. */
  key?: readonly string[] | undefined;
  /** Conditions on columns, all of which must be so: `price<=10`, `name^=Ch`, `maker=null`. */
  where?: readonly string[] | undefined;
  search?: string | undefined;
  limit: number;
}

/** Rows of the version that callers are answered from. */
export interface RowsFound {
  /** 0 before the first. */
  version: number;
  /** How many rows the version has. */
  size: number;
  /** `since`: the version that brought it. */
  rows: { key: string[]; since: number; body: unknown }[];
}

const OPERATORS = { "<=": "lte", ">=": "gte", "^=": "prefix", "<": "lt", ">": "gt", "=": "eq" } as const;
const CONDITION = /^(.+?)(<=|>=|\^=|<|>|=)(.*)$/s;

/** Rows for an operator to look at, by key, or the best found first. What cannot be asked for is said as a text. Errors of D1 are thrown as they are. */
export async function rowsLike(
  db: D1Database,
  { mirrorName, collection }: Mirrored,
  wanted: RowsLike,
): Promise<RowsFound | { problem: string }> {
  const parameters = new Parameters();
  const which = whichRows(collection, wanted, parameters);
  if ("problem" in which) return which;
  const isRanked = which.match !== undefined && collection.search!.match === "words";
  const byKey: OrderPart[] = [{ by: "key", falls: false }];
  const page = { limit: wanted.limit };
  // Of a result, the members are stored.
  const isBare = collection.name === RESOURCES;
  const rows = new Statements(mirrorName, collection).rows(parameters, which, isRanked ? "rank" : byKey, page);
  const record = { text: "SELECT version, size FROM mirror WHERE name = ?1", values: [mirrorName] };
  try {
    const [said] = await ask(db.withSession("first-primary"), [{ record, rows }]);
    const { version = 0, size = 0 } = (said!.record ?? {}) as { version?: number; size?: number };
    const found = said!.rows.map(({ key, since, body }) => ({
      key: key.split(KEY_SEPARATOR),
      since: Number(since),
      body: body === null ? undefined : (JSON.parse(isBare ? `{${body}}` : body) as unknown),
    }));
    if (found.some(({ body }) => body === undefined)) return { problem: "they are too large to be shown at once" };
    return { version, size, rows: found };
  } catch (error) {
    if (isUnmade(error)) return { version: 0, size: 0, rows: [] };
    throw error;
  }
}

function whichRows(
  collection: Mirrored["collection"],
  { key, where, search }: RowsLike,
  parameters: Parameters,
): Rows | { problem: string } {
  const { columns, keyNames } = collection;
  if (key) {
    if (key.length !== Math.max(1, keyNames.length))
      return { problem: `a key is of ${keyNames.join(", ") || "one part"}` };
    return { where: [`r.key = ${parameters.bind(key.join(KEY_SEPARATOR))}`] };
  }
  if (where) {
    const conditions = where.map((text) => conditionOf(columns, text));
    const wrong = conditions.find((one) => "problem" in one);
    if (wrong) return wrong;
    const sql = whereOf(collection, conditions as Condition[], {}, parameters);
    return sql ? { where: sql } : { problem: "no column can be compared with one of the values" };
  }
  if (search === undefined) return { where: [] };
  if (!collection.search) return { problem: "this collection has no search: name its members in `search`" };
  const text = matchQuery(collection.search.match, search, true);
  if (!text) return { problem: "there is nothing in the text to search for, or too much" };
  return {
    where: text.within.map((part) => `instr(r.plain, ${parameters.bind(part)}) > 0`),
    match: text.match === undefined ? undefined : parameters.bind(text.match),
  };
}

function conditionOf(columns: Mirrored["collection"]["columns"], text: string): Condition | { problem: string } {
  const [, name = "", operator = "", value = ""] = CONDITION.exec(text) ?? [];
  if (operator === "") return { problem: `${JSON.stringify(text)} is no condition, such as price<=10` };
  const column = columns.findIndex((one) => one.name === name.trim());
  if (column < 0) {
    const known = columns.map((one) => one.name).join(", ");
    return { problem: `${JSON.stringify(name)} is no column: ${known ? `there are ${known}` : "none is indexed"}` };
  }
  const test = testOf(OPERATORS[operator as keyof typeof OPERATORS], value.trim(), columns[column]!.as);
  return { column, tests: [test], orNull: false };
}

/** Values are read as JSON where they are that: `3` is a number, `"3"` and `three` are texts. So are versions: 16.10 is not 16.1. */
function testOf(op: (typeof OPERATORS)[keyof typeof OPERATORS], text: string, as: ColumnKind): Test {
  let value: unknown = text;
  try {
    value = JSON.parse(text);
  } catch {
    // A text without quotes.
  }
  if (value === null && op === "eq") return { op: "null", is: true };
  const isNumber = typeof value === "number" && as !== "version";
  const isPlain = typeof value === "string" || isNumber || typeof value === "boolean";
  return { op, term: { value: isPlain ? (value as string | number | boolean) : text } };
}
