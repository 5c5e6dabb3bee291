import type { Collection, Condition, Test } from "../config/mirror.ts";
import { givenFor, isPlain } from "./argumentAt.ts";
import { columnValue } from "./columnValue.ts";
import type { Parameters } from "./Sql.ts";

/** The most values of a list that a call may give. */
const MAX_LIST = 1_000;
const MAX_LIST_LENGTH = 500_000;
/** The longest text that a column is compared with, in UTF-16 units: D1 refuses parameters of more than 2 MB. */
const MAX_TEXT = 100_000;

const COMPARISONS = { eq: "=", gt: ">", gte: ">=", lt: "<", lte: "<=" } as const;

/**
 * What must be so of the rows `r`, as SQL: a text for each condition that counts. `undefined` where an argument is given
 * that no column can be compared with.
 */
export function whereOf(
  { columns }: Pick<Collection, "columns">,
  conditions: readonly Condition[],
  args: Readonly<Record<string, unknown>>,
  parameters: Parameters,
): string[] | undefined {
  const all: string[] = [];
  for (const { column, tests, orNull } of conditions) {
    const { as } = columns[column]!;
    const name = `r.c${column}`;
    const parts: string[] = [];
    for (const test of tests) {
      const sql = test.op === "null" ? nullSql(name, test, args) : testSql(name, as, test, args, parameters);
      if (sql === undefined) return undefined;
      if (sql !== "") parts.push(sql);
    }
    if (parts.length === 0) continue;
    // In braces, for a statement is nested no deeper than 100 for SQLite, to which each further AND adds one.
    const text = `(${parts.join(" AND ")})`;
    all.push(orNull ? `(${text} OR ${name} IS NULL)` : text);
  }
  return all;
}

/** `""`: it counts for nothing, as the call has no such argument. */
function testSql(
  name: string,
  as: Collection["columns"][number]["as"],
  test: Exclude<Test, { op: "null" }>,
  args: Readonly<Record<string, unknown>>,
  parameters: Parameters,
): string | undefined {
  if (test.op === "in") return inSql(name, as, test, args, parameters);
  const given = givenFor(test.term, args);
  if (given === "absent") return "";
  const value = given === "unusable" ? null : comparable(as, given.value);
  if (value === null) return undefined;
  if (test.op === "prefix") {
    // The numbers of a version have no beginning.
    return typeof value === "string" && as !== "version" ? prefixSql(name, value, parameters) : undefined;
  }
  const sql = `${name} ${COMPARISONS[test.op]} ${parameters.bind(value)}`;
  if (test.op === "eq") return sql;
  // SQLite has every text after every number. Neither is more or less than the other here.
  if (typeof value === "string") return test.op.startsWith("l") ? `${sql} AND ${name} >= ''` : sql;
  return test.op.startsWith("g") ? `${sql} AND ${name} < ''` : sql;
}

function inSql(
  name: string,
  as: Collection["columns"][number]["as"],
  { terms }: Extract<Test, { op: "in" }>,
  args: Readonly<Record<string, unknown>>,
  parameters: Parameters,
): string | undefined {
  const given = "argument" in terms ? givenFor(terms, args) : { value: "value" in terms ? [terms.value] : terms };
  if (given === "absent") return "";
  // Some take an empty list for all, others for none.
  if (given === "unusable" || !Array.isArray(given.value) || given.value.length === 0) return undefined;
  if (given.value.length > MAX_LIST) return undefined;
  const values = given.value.map((one) => comparable(as, one));
  const json = JSON.stringify(values);
  if (values.includes(null) || json.length > MAX_LIST_LENGTH) return undefined;
  return `${name} IN (SELECT value FROM json_each(${parameters.bind(json)}))`;
}

function nullSql(
  name: string,
  { is }: Extract<Test, { op: "null" }>,
  args: Readonly<Record<string, unknown>>,
): string | undefined {
  const given = typeof is === "boolean" ? { value: is } : givenFor(is, args);
  if (given === "absent") return "";
  if (given === "unusable" || typeof given.value !== "boolean") return undefined;
  return `${name} IS ${given.value ? "" : "NOT "}NULL`;
}

/** As a range, so that an index serves. */
function prefixSql(name: string, prefix: string, parameters: Parameters): string {
  const from = `${name} >= ${parameters.bind(prefix)}`;
  const end = endOf(prefix);
  return end === undefined ? from : `${from} AND ${name} < ${parameters.bind(end)}`;
}

/** The first text after all that begin with this, by the order of characters; `undefined` where there is none. */
function endOf(prefix: string): string | undefined {
  const characters = [...prefix];
  while (characters.at(-1) === "\u{10FFFF}") characters.pop();
  const last = characters.pop();
  if (last === undefined) return undefined;
  const next = last.codePointAt(0)! + 1;
  // Halves of characters are none.
  return characters.join("") + String.fromCodePoint(next >= 0xd800 && next <= 0xdfff ? 0xe000 : next);
}

/** What a column is compared with; `null` where it cannot be. */
function comparable(as: Collection["columns"][number]["as"], value: unknown): string | number | null {
  if (typeof value === "string" && (value.length > MAX_TEXT || !isPlain(value))) return null;
  return columnValue(as, value);
}
