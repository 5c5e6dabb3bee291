import { expect, test } from "vitest";
import type { AnswerQuery } from "../../src/config/mirror.ts";
import type { AnswerConfig } from "../../src/config/mirrorTypes.ts";
import { rowsQuestion } from "../../src/mirror/rowsQuestion.ts";
import type { Sql } from "../../src/mirror/Sql.ts";
import { Statements } from "../../src/mirror/Statements.ts";
import { wantedRows } from "../../src/mirror/wantedRows.ts";
import { mirrored } from "./support/mirrored.ts";

const from = { tool: "list", rows: "/items" };
const scope = "public" as const;
const things = { from, key: "id", scope, index: [["a", "b"], "b", "c"], search: ["text"] };
const parts = { from, key: "id", scope, search: { columns: ["text"], match: "contains" as const } };
const ARGS = { a: "x", b: 5, list: ["x", "y"], text: "abc de" };

/** A sort of all that was found, beside the one of the page. */
const SORTED = "USE TEMP B-TREE FOR ORDER BY";
/** How a rule, and on its later pages, what is needed of the database. */
const PLANS: Record<string, [Omit<AnswerConfig, "from">, first: string[], later: string[]]> = {
  all: [{}, ["SCAN r USING INDEX key"], ["SEARCH r USING INDEX key (key>?)"]],
  equal: [
    { where: { a: "{a}" } },
    ["SEARCH r USING INDEX c0 (c0=?)", SORTED],
    ["SEARCH r USING INDEX c0 (c0=?)", SORTED],
  ],
  "equal, in order": [
    { where: { a: "{a}" }, orderBy: "b" },
    ["SEARCH r USING INDEX c0 (c0=?)"],
    ["SEARCH r USING INDEX c0 (c0=? AND c1>?)"],
  ],
  "equal, in a range": [
    { where: { a: "{a}", b: { gte: "{b}" } }, orderBy: "b" },
    ["SEARCH r USING INDEX c0 (c0=? AND c1>? AND c1<?)"],
    ["SEARCH r USING INDEX c0 (c0=? AND c1>? AND c1<?)"],
  ],
  among: [
    { where: { a: { in: "{list}" } } },
    ["SEARCH r USING INDEX c0 (c0=?)", SORTED],
    ["SEARCH r USING INDEX c0 (c0=?)", SORTED],
  ],
  "a beginning": [
    { where: { c: { prefix: "{a}" } }, orderBy: "c" },
    ["SEARCH r USING INDEX c2 (c2>? AND c2<?)"],
    ["SEARCH r USING INDEX c2 (c2>? AND c2<?)"],
  ],
  null: [
    { where: { c: { null: true } } },
    ["SEARCH r USING INDEX c2 (c2=?)"],
    ["SEARCH r USING INDEX c2 (c2=? AND key>?)"],
  ],
  "in order": [{ orderBy: "b" }, ["SCAN r USING INDEX c1"], ["SEARCH r USING INDEX c1 (c1>?)"]],
  falling: [{ orderBy: ["-b", "-key"] }, ["SCAN r USING INDEX c1"], ["SCAN r USING INDEX c1"]],
  "from the last": [{ orderBy: "-key" }, ["SCAN r USING INDEX key"], ["SEARCH r USING INDEX key (key<?)"]],
  words: [
    { search: "{text}" },
    ["SCAN text VIRTUAL TABLE", "SEARCH r USING INTEGER PRIMARY KEY (rowid=?)", SORTED],
    ["SCAN text VIRTUAL TABLE", "SEARCH r USING INTEGER PRIMARY KEY (rowid=?)", SORTED],
  ],
  parts: [
    { search: "{text}" },
    ["SCAN text VIRTUAL TABLE", "SEARCH r USING INTEGER PRIMARY KEY (rowid=?)", SORTED],
    ["SCAN text VIRTUAL TABLE", "SEARCH r USING INTEGER PRIMARY KEY (rowid=?)", SORTED],
  ],
};

test("what is asked goes by an index", async () => {
  const shape = { value: { rows: { each: "{row}" }, total: "{total}", next: "{next}" } };
  const tools = Object.entries(PLANS).map(([name, [answer]]) => {
    const collection = name === "parts" ? "parts" : "things";
    return [
      name.replaceAll(/\W/g, "-"),
      { answer: { from: collection, cursor: "{cursor}", ...answer }, shape },
    ] as const;
  });
  const world = await mirrored("answer-plan", { collections: { things, parts }, tools: Object.fromEntries(tools) });
  await world.publish("things", []);
  await world.publish("parts", []);
  const planOf = async ({ text, values }: Sql) => {
    const plan = await world.db
      .prepare(`EXPLAIN QUERY PLAN ${text}`)
      .bind(...values)
      .all<{ detail: string }>();
    const steps = plan.results.map(({ detail }) =>
      detail.replaceAll(/:answer-plan\/\w+#\w+/g, "").replace(/ INDEX 0:M1$/, ""),
    );
    return steps.filter((step) => !/^(?:SCALAR|LIST|CO-ROUTINE|SEARCH mirror|SCAN (?:p|json_each|\())/.test(step));
  };
  /** What is found, is ordered where it is not already, and then read by its ids. */
  const page = (steps: string[]) => [...steps, "SEARCH r USING INTEGER PRIMARY KEY (rowid=?)", SORTED];

  for (const [name, [, first, later]] of Object.entries(PLANS)) {
    const { from, query } = world.ruleOf(name.replaceAll(/\W/g, "-"));
    const { mirrorName, collection } = world.collections.get(from)!;
    const wanted = wantedRows(collection, query as Extract<AnswerQuery, { kind: "rows" }>, ARGS);
    if (typeof wanted === "string") throw new Error(`${name}: ${wanted}`);
    const statements = new Statements(mirrorName, collection);
    const ask = (cursor?: typeof wanted.cursor) =>
      rowsQuestion(statements, { ...wanted, cursor }, { pages: true, counts: true })!;
    const after = wanted.order === "rank" ? null : wanted.order.map(() => "x");
    const { rows, record } = ask();
    expect([name, await planOf(rows!)]).toEqual([name, page(first)]);
    // Without an order, the rows are counted in any.
    const counted = first.filter((step) => step !== SORTED).map((step) => step.replace(/^SCAN r USING.*/, "SCAN r"));
    expect([name, await planOf(record)]).toEqual([
      name,
      ["SEARCH m USING INDEX sqlite_autoindex_mirror_1 (name=?)", ...counted],
    ]);
    const next = ask({ version: 1, digest: "", before: 1, after, asOf: 1, seq: 1 });
    expect([name, await planOf(next.rows!)]).toEqual([name, page(later)]);
  }
  const { mirrorName, collection } = world.collections.get("things")!;
  expect(await planOf(new Statements(mirrorName, collection).byKey("x"))).toEqual([
    "SEARCH m USING INDEX sqlite_autoindex_mirror_1 (name=?)",
    "SEARCH r USING INDEX key (key=? AND since<?) LEFT-JOIN",
  ]);
});
