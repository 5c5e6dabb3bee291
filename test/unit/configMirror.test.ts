import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ConfigError } from "../../src/config/ConfigError.ts";
import { RESOURCES } from "../../src/config/mirror.ts";
import { suspectsOf } from "../../src/mirror/concerns.ts";
import { mirrorName } from "../../src/mirror/mirrorName.ts";
import { resolve } from "../../src/config/resolve.ts";
import { parseTemplate, placesIn } from "../../src/config/template.ts";
import { runs } from "../support/runs.ts";

const fileOf = (origin: object, access: object = {}) => ({
  origins: { o: { url: "https://o.example.com/mcp", ...origin } },
  access,
});
const originOf = (origin: object, access?: object) => resolve(fileOf(origin, access)).origins.get("o")!;
function problemsOf(origin: object, access?: object): string[] {
  try {
    resolve(fileOf(origin, access));
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.problems.map(
      ({ path, found, expected }) => `${path.replace(/^origins\.o\./, "")}: ${found} | ${expected}`,
    );
  }
  return [];
}

const pages = { cursor: { argument: "cursor", next: "/nextCursor" }, total: "/total" };
const list = (detail: string) => ({
  tool: "list_support",
  arguments: { limit: 2000, detail },
  rows: "/support",
  ...pages,
});
/** What the origin to try the replica with is mirrored and answered by. */
const demo = {
  collections: {
    features: {
      from: { tool: "list_features", arguments: { limit: 500, detail: "full" }, rows: "/features", ...pages },
      key: "id",
      search: { columns: ["id", "description"], match: "contains" },
      tags: ["feature:{id}"],
      row: { tool: "get_feature", arguments: { id: "{id}" } },
      scope: "public",
    },
    browsers: { from: { resources: "bcd://browser/*" }, key: "id", scope: "public" },
    support: { from: list("full"), key: ["id", "browser"], scope: "public" },
    ranges: {
      from: list("ranges"),
      key: ["id", "browser", "added"],
      index: [["browser", { at: "added", as: "version" }, { at: "removed", as: "version" }]],
      scope: "public",
    },
  },
  tools: {
    get_feature: {
      answer: {
        from: "features",
        key: "{id}",
        notFound: {
          text: "There is no feature with the id {args.id|json}. Use search_features to find ids.",
        },
      },
      verify: 0.01,
    },
    search_features: {
      answer: { from: "features", search: "{query}", orderBy: "key", limit: "{limit}" },
      shape: {
        value: { features: { each: { id: "{row.id}", description: "{row.description}" } }, total: "{total}" },
      },
    },
    check_support: {
      answer: {
        from: "support",
        key: ["{id}", "{browser}"],
        with: {
          feature: { from: "features", key: "{id}", otherwise: { text: "There is no feature {args.id|json}." } },
          known: { from: "browsers", every: "id" },
          browser: {
            from: "browsers",
            key: "{browser}",
            otherwise: { text: "There is no browser {args.browser|json}. The browsers are {known|join}." },
          },
        },
        notFound: {
          text: "The data says nothing about {args.id} in {args.browser}. It covers {feature.support|keys}.",
        },
      },
    },
    list_supported: {
      answer: {
        from: "ranges",
        where: {
          browser: "{browser}",
          added: { lte: "{version}" },
          removed: { gt: "{version}", orNull: true },
        },
        orderBy: ["added", "-key"],
        limit: "{limit}",
        cursor: "{cursor}",
      },
      shape: {
        value: {
          browser: "{args.browser}",
          features: { each: "{row}" },
          nextCursor: "{next}",
        },
      },
    },
  },
};

test("where a tool's answers have changed, all that they are made of is pulled", () => {
  const { collections } = originOf(demo);
  const changed = [...collections.values()].filter((one) => suspectsOf(one, "tool:check_support").includes("all"));
  expect(changed.map(({ name }) => name)).toEqual(["features", "browsers", "support"]);
});

test("the origin to try the replica with can be mirrored whole", () => {
  const { collections, tools } = originOf(demo);
  expect([...collections.keys()]).toEqual(["features", "browsers", "support", "ranges"]);
  expect(collections.get("features")).toEqual({
    name: "features",
    from: { kind: "tool", ...demo.collections.features.from },
    key: ["/id"],
    keyNames: ["id"],
    columns: [],
    indexes: [],
    search: { columns: ["/id", "/description"], match: "contains" },
    readers: "public",
    everyMs: 300_000,
    maxRows: 200_000,
    staleIfErrorMs: 604_800_000,
    tags: ["feature:{id}"],
    row: { tool: "get_feature", arguments: { id: "{id}" }, at: "" },
    tools: ["get_feature", "search_features", "check_support"],
  });
  expect(collections.get("browsers")!.from).toEqual({ kind: "resources", pattern: "bcd://browser/*" });
  expect(collections.get("ranges")).toMatchObject({
    columns: [
      { name: "browser", at: "/browser", as: "value" },
      { name: "added", at: "/added", as: "version" },
      { name: "removed", at: "/removed", as: "version" },
    ],
    indexes: [[0, 1, 2]],
  });
  expect(tools.find("get_feature")!.value).toMatchObject({
    answer: {
      from: "features",
      query: { kind: "key", key: [{ argument: ["id"] }], notFound: { isError: true } },
      lookups: [],
      shape: { value: "{row}", isStructured: true, text: "json" },
      covers: new Set(["id"]),
      strict: false,
    },
    verify: { share: 0.01, maxMismatch: undefined, volatile: [] },
  });
  expect(tools.find("search_features")!.value.answer).toMatchObject({
    query: {
      kind: "rows",
      where: [],
      search: { text: { argument: ["query"] }, prefix: false },
      order: [{ by: "key", falls: false }],
      limit: { argument: ["limit"] },
      cursor: undefined,
    },
  });
  expect(tools.find("check_support")!.value.answer!.lookups).toMatchObject([
    { name: "feature", from: "features", find: { key: [{ argument: ["id"] }], otherwise: { isError: true } } },
    { name: "known", from: "browsers", find: { every: "/id" } },
    { name: "browser", from: "browsers", find: { key: [{ argument: ["browser"] }] } },
  ]);
  expect(tools.find("list_supported")!.value.answer).toMatchObject({
    query: {
      where: [
        { column: 0, tests: [{ op: "eq", term: { argument: ["browser"] } }], orNull: false },
        { column: 1, tests: [{ op: "lte", term: { argument: ["version"] } }], orNull: false },
        { column: 2, tests: [{ op: "gt", term: { argument: ["version"] } }], orNull: true },
      ],
      order: [
        { by: 1, falls: false },
        { by: "key", falls: true },
      ],
      cursor: { argument: ["cursor"] },
    },
    covers: new Set(["browser", "version", "limit", "cursor"]),
  });
});

const FROM = { from: { tool: "list" } };
const C = { ...FROM, key: "id", scope: "public" };
/** An origin with a collection `c`, and perhaps a tool `t` that is answered from it. */
const collected = (more: object, t?: object) => ({
  collections: { c: { ...C, ...more } },
  ...(t && { tools: { t } }),
});
const answered = (answer: object, more: object = {}, shape?: object) =>
  collected(more, { answer: { from: "c", ...answer }, ...(shape && { shape }) });
const ROWS = { value: { each: "{row}" } };
/** The same with rows of which some are looked for. */
const sought = (answer: object, more: object = {}) => answered(answer, more, ROWS);
const columns = (count: number) => Array.from({ length: count }, (_, nth) => `c${nth}`);
const MEMBER = 'a member by its name, or its JSON Pointer, such as "/price/amount"';
const POINTER = 'a JSON Pointer (RFC 6901): "" for all of it, or such as "/items/0/name"';
const WHO =
  'scope: "public", or roles: ["…"]: the rows are pulled with the replica\'s own credential, so only you can say who may be answered from them';
const ARGUMENT = 'an argument of the call, such as "{sku}" or "{filter.category}"';
const ALONE = `${ARGUMENT}, alone; or a value, with {{ and }} for braces`;

describe("a collection", () => {
  test.each<[string, object, string[]]>([
    ["has a name of its own", { collections: { "C!": C } }, ["collections.C!"]],
    ["says where its rows come from", collected({ from: {} }), ["collections.c.from.tool"]],
    ["comes from one place", collected({ from: { tool: "t", resources: "x://*" } }), ["collections.c.from.resources"]],
  ])("%s", (_, origin, paths) => {
    expect(problemsOf(origin).map((line) => line.slice(0, line.indexOf(": ")))).toEqual(paths);
  });

  test.each<[string, object, string]>([
    ["a key", { key: undefined }, `key: nothing | ${MEMBER}, or several in an array`],
    ["a key that names something", { key: "" }, `key: "" | ${MEMBER}`],
    ["a key of members", { key: ["a", "/b~2"] }, `key.1: "/b~2" | ${MEMBER}`],
    ["some part of a key", { key: [] }, "key: an array | at least one member"],
    ["each part of a key once", { key: ["a/b", "/a~1b"] }, "key: a member twice | each member once"],
    ["readers", { scope: undefined }, `scope: neither scope nor roles | ${WHO}`],
    ["readers once", { roles: ["r"] }, `scope: both scope and roles | ${WHO}`],
    ["readers that may be others", { scope: "private" }, 'scope: "private" | one of "public"'],
    ["roles that there are", { scope: undefined, roles: ["x"] }, 'roles: "x" | names of access.roles'],
    ["some role", { scope: undefined, roles: [] }, "roles: an array | at least one role"],
    ["rows at a pointer", { from: { tool: "t", rows: "items" } }, `from.rows: "items" | ${POINTER}`],
    ["a total at a pointer", { from: { tool: "t", total: "/~" } }, `from.total: "/~" | ${POINTER}`],
    [
      "a cursor's place",
      { from: { tool: "t", cursor: { argument: "cursor" } } },
      "from.cursor.next: nothing | a string",
    ],
    [
      "a cursor that is not said already",
      { from: { tool: "t", arguments: { after: 1 }, cursor: { argument: "after", next: "/n" } } },
      'from.cursor.argument: "after" | an argument that is not among arguments',
    ],
    [
      "arguments that are JSON",
      { from: { tool: "t", arguments: { a: () => {} } } },
      "from.arguments.a: () => {} | JSON: text, numbers, true, false, null, arrays, objects",
    ],
    [
      "a pattern without braces",
      { from: { resources: "x://{id}" } },
      'from.resources: "x://{id}" | a pattern such as catalog://products/*, or each with it',
    ],
    [
      "a template to be filled",
      { from: { resources: "x://*", each: "d" } },
      'from.resources: "x://*" | a URI template such as catalog://products/{sku}',
    ],
    [
      "a template that says where",
      { from: { resources: "x://{id|json}", each: "d" } },
      'from.resources: "x://{id|json}" | a URI template such as catalog://products/{sku}',
    ],
    [
      "another that there is",
      { from: { resources: "x://{id}", each: "e" } },
      'from.each: "e" | the name of another collection',
    ],
    [
      "another than itself",
      { from: { resources: "x://{id}", each: "c" } },
      "from.each: a circle | collections that are not filled from each other",
    ],
    ["one source", { from: { tool: "list_*" } }, 'from.tool: "list_*" | the exact name of a tool'],
    ["a source that writes nothing", { from: { tool: "save" } }, 'from.tool: "save" | a tool without write'],
    [
      "columns of one kind",
      { index: ["a", ["b", { at: "/a", as: "lower" }]] },
      'index: "/a" as value and as lower | each column compared in one way',
    ],
    [
      "kinds of columns that there are",
      { index: [{ at: "a", as: "date" }] },
      'index.0.as: "date" | one of "value", "version", "lower"',
    ],
    ["an index of some column", { index: [[]] }, "index.0: an array | at least one column"],
    ["each column once", { index: [["a", "/a"]] }, "index: a column twice in one index | each column once in an index"],
    ["each index once", { index: [["a"], "a"] }, "index: an index twice | each index once"],
    ["few columns", { index: [columns(9), columns(18).slice(9)] }, "index: 18 columns | at most 16 columns"],
    ["few indexes", { index: columns(17) }, "index: an array | at most 16 indexes"],
    ["something to search", { search: [] }, "search: an array | at least one member"],
    ["few members to search", { search: columns(9) }, "search: an array | at most 8 members"],
    ["each of them once", { search: { columns: ["a", "a"] } }, "search: a member twice | each member once"],
    [
      "a way to search",
      { search: { columns: ["a"], match: "like" } },
      'search.match: "like" | one of "words", "contains"',
    ],
    ["a rhythm", { every: "5" }, 'every: "5" | a duration such as "250ms", "30s", "5m", "1h" or "7d"'],
    ["no quick rhythm", { every: "9s" }, 'every: "9s" | "10s" to "7d"'],
    ["no slow rhythm", { every: "8d" }, 'every: "8d" | "10s" to "7d"'],
    ["some row", { maxRows: 0 }, "maxRows: 0 | a whole number of 1 to 1000000"],
    ["a bound", { maxRows: 1_000_001 }, "maxRows: 1000001 | a whole number of 1 to 1000000"],
    ["an end", { staleIfError: "31d" }, 'staleIfError: "31d" | "0s" to "30d"'],
    ["tags", { tags: ["a b"] }, 'tags.0: "a b" | a tag of 1 to 128 printable characters without spaces'],
    [
      "rows asked for by their key",
      { row: { tool: "get", arguments: { a: "{sku}" } } },
      'row.arguments: "sku" | all parts of the key, and nothing else: {id}',
    ],
    [
      "rows asked for by all of their key",
      { key: ["id", "/to/lang"], row: { resource: "x://{id}" } },
      'row.resource: "id" | all parts of the key, and nothing else: {id}, {/to/lang}',
    ],
    [
      "rows asked for by nothing else",
      { row: { tool: "get", arguments: { id: ["{id}", "{"] } } },
      'row.arguments: "id", "{" | all parts of the key, and nothing else: {id}',
    ],
    [
      "rows asked for without writing",
      { row: { tool: "save", arguments: { id: "{id}" } } },
      'row.tool: "save" | a tool without write',
    ],
    [
      "one way to ask for a row",
      { row: { resource: "x://{id}", at: "" } },
      "row.at: a string | one of the known options",
    ],
  ])("has %s", (_, more, problem) => {
    const origin = {
      collections: { c: { ...C, ...more }, d: C },
      tools: { "save*": { write: { invalidates: ["a"] } } },
    };
    expect(problemsOf(origin, { roles: { r: {} } })).toEqual([`collections.c.${problem}`]);
  });

  test("has what it says, and defaults for the rest", () => {
    const more = {
      from: { resources: "x://{id}/{a.b}", each: "d" },
      key: ["id", "/to/lang", "a/b"],
      index: ["price", ["/a~1b", { at: "when", as: "lower" }, "price"]],
      search: ["text"],
      scope: undefined,
      roles: ["s", "r", "r"],
      every: "10s",
      maxRows: 1_000_000,
      staleIfError: "30d",
      row: { resource: "x://{id}/{/to/lang}/{a/b}" },
    };
    const { collections } = originOf({ collections: { c: { ...C, ...more }, d: C } }, { roles: { r: {}, s: {} } });
    expect(collections.get("c")).toEqual({
      name: "c",
      from: { kind: "each", template: "x://{id}/{a.b}", each: "d" },
      key: ["/id", "/to/lang", "/a~1b"],
      keyNames: ["id", "/to/lang", "a/b"],
      columns: [
        { name: "price", at: "/price", as: "value" },
        { name: "/a~1b", at: "/a~1b", as: "value" },
        { name: "when", at: "/when", as: "lower" },
      ],
      indexes: [[0], [1, 2, 0]],
      search: { columns: ["/text"], match: "words" },
      readers: { roles: ["r", "s"] },
      everyMs: 10_000,
      maxRows: 1_000_000,
      staleIfErrorMs: 30 * 86_400_000,
      tags: [],
      row: { resource: "x://{id}/{/to/lang}/{a/b}" },
      tools: [],
    });
    expect(collections.get("d")!.from).toEqual({
      kind: "tool",
      tool: "list",
      arguments: {},
      rows: "",
      cursor: undefined,
      total: undefined,
    });
  });

  test("is not filled from what is filled from it, however far away", () => {
    const each = (each: string) => ({ ...C, from: { resources: "x://{id}", each } });
    expect(problemsOf({ collections: { a: each("b"), b: each("c"), c: each("b"), d: C, e: each("d") } })).toEqual([
      "collections.b.from.each: a circle | collections that are not filled from each other",
      "collections.c.from.each: a circle | collections that are not filled from each other",
    ]);
  });

  test("is one of fifty", () => {
    const many = (count: number) => ({ collections: Object.fromEntries(columns(count).map((name) => [name, C])) });
    expect(problemsOf(many(50))).toEqual([]);
    expect(problemsOf(many(51))).toEqual(["collections: an object | at most 50 collections"]);
  });

  test("is of nobody in particular", () => {
    const auth = { forward: true, sameResource: true };
    const jwt = { issuer: "https://i.example.com", jwks: "https://i.example.com/jwks" };
    const expected =
      "forward | nothing that is mirrored: the origin is asked with a credential for each caller, and what it says is that caller's own";
    expect(problemsOf({ auth, collections: { c: C } }, { jwt })).toEqual([`collections: ${expected}`]);
    expect(problemsOf({ auth, resources: { "*": { mirror: { scope: "public" } } } }, { jwt })).toEqual([
      `resources: ${expected}`,
    ]);
    expect(problemsOf({ auth: { bearer: { secret: "T" } }, collections: { c: C } })).toEqual([]);
  });

  test("is defined by the same, whoever reads it and however often", async () => {
    const nameOf = (more: object) => {
      const { settings, collections } = originOf(collected(more), { roles: { r: {} } });
      return mirrorName(settings, collections.get("c")!);
    };
    const plain = await nameOf({});
    expect(plain).toMatch(/^o\/c#[0-9a-f]{12}$/);
    expect(await nameOf({ every: "1h", maxRows: 1, tags: ["a"], scope: undefined, roles: ["r"] })).toBe(plain);
    expect(await nameOf({ index: ["a"] })).not.toBe(plain);
    expect(originOf(collected({})).settings.identity).toBe(originOf({}).settings.identity);
  });
});

describe("an answer", () => {
  test.each<[string, object, string]>([
    [
      "reads",
      collected({}, { answer: { from: "c", key: "{id}" }, write: { invalidates: ["a"] } }),
      "t.answer: an object | no write with it",
    ],
    [
      "is not denied",
      collected({}, { answer: { from: "c", key: "{id}" }, deny: true }),
      "t.answer: an object | no deny with it",
    ],
    ["is worded", collected({}, { shape: {} }), "t.shape: an object | answer with it"],
    [
      "comes from what there is",
      answered({ from: "d", key: "{id}" }),
      't.answer.from: "d" | the name of one of the origin\'s collections',
    ],
    [
      "comes from what an operator names",
      answered({ from: RESOURCES, key: "{id}" }),
      `t.answer.from: "${RESOURCES}" | a collection's name of at most 40 characters: a lower-case letter, then letters, digits, hyphens, underscores`,
    ],
    [
      "has a value for each part of the key",
      answered({ key: "{id}" }, { key: ["id", "lang"] }),
      "t.answer.key: 1 values | 2, as the key of c has: id, lang",
    ],
    ["has arguments alone", answered({ key: "sku-{id}" }), `t.answer.key: "sku-{id}" | ${ALONE}`],
    ["has arguments as they are", answered({ key: "{id|json}" }), `t.answer.key: "{id|json}" | ${ALONE}`],
    ["has whole braces", answered({ key: "{id" }), `t.answer.key: "{id" | ${ALONE}`],
    [
      "by key has no order",
      answered({ key: "{id}", orderBy: "key" }),
      "t.answer.orderBy: orderBy | no key with it: a key is one row's",
    ],
    [
      "by key has no limit",
      answered({ key: "{id}", limit: 1 }),
      "t.answer.limit: limit | no key with it: a key is one row's",
    ],
    [
      "of rows has a shape",
      answered({}),
      't.shape.value: nothing | how the rows are worded, such as { items: { each: "{row}" }, total: "{total}" }',
    ],
    [
      "of rows is found",
      sought({ notFound: { text: "No." } }),
      "t.answer.notFound: an object | key with it: where rows are looked for, to find none is an answer",
    ],
    [
      "goes by columns",
      sought({ where: { b: 1 } }, { index: ["a"] }),
      't.answer.where.b: "b" | a column of the index of c, which are: "a"',
    ],
    [
      "goes by columns that there are",
      sought({ orderBy: "-b" }),
      't.answer.orderBy: "b" | a column of the index of c, which are: none',
    ],
    [
      "goes by an index",
      sought({ where: { b: 1, a: { gt: 1 } } }, { index: [["a", "b"]] }),
      't.answer.where: no index for it | an index that begins with one of these columns: add ["b","a"] to the index of c',
    ],
    [
      "goes by an index for ranges",
      sought({ where: { b: { prefix: "{b}" } } }, { index: [["a", "b"]] }),
      't.answer.where: no index for it | an index that begins with one of these columns: add ["b"] to the index of c',
    ],
    [
      "is ordered by an index",
      sought({ where: { a: "{a}" }, orderBy: "-c" }, { index: [["a", "b", "c"]] }),
      't.answer.orderBy: no index for it | an index that has the rows in this order: add ["a","c"] to the index of c',
    ],
    [
      "is ordered by an index, whatever the argument",
      sought({ orderBy: { argument: "{sort}", when: { a: "a", b: ["b"] } } }, { index: [["a", "b"]] }),
      't.answer.orderBy.when.b: no index for it | an index that has the rows in this order: add ["b"] to the index of c',
    ],
    [
      "is ordered by an argument",
      sought({ orderBy: { argument: "sort", when: { a: "key" } } }),
      `t.answer.orderBy.argument: "sort" | ${ARGUMENT}`,
    ],
    [
      "has a condition",
      sought({ where: { a: {} } }, { index: ["a"] }),
      "t.answer.where.a: nothing | at least one of eq, in, gt, gte, lt, lte, prefix, null",
    ],
    [
      "has a condition beside null",
      sought({ where: { a: { orNull: true } } }, { index: ["a"] }),
      "t.answer.where.a: orNull alone | at least one of eq, in, gt, gte, lt, lte, prefix, null",
    ],
    [
      "has known conditions",
      sought({ where: { a: { like: "x" } } }, { index: ["a"] }),
      "t.answer.where.a.like: a string | one of the known options",
    ],
    [
      "compares what has an order",
      sought({ where: { a: { lt: true } } }, { index: ["a"] }),
      "t.answer.where.a.lt: true | text or a number",
    ],
    [
      "is among an argument's values",
      sought({ where: { a: { in: "x" } } }, { index: ["a"] }),
      `t.answer.where.a.in: "x" | ${ARGUMENT}`,
    ],
    [
      "is null by an argument",
      sought({ where: { a: { null: "x" } } }, { index: ["a"] }),
      `t.answer.where.a.null: "x" | ${ARGUMENT}`,
    ],
    [
      "searches where there is text",
      sought({ search: "{q}" }),
      "t.answer.search: nothing to search in | search in c with it: the members that have the text",
    ],
    [
      "searches for beginnings of words",
      sought({ search: { text: "{q}", prefix: true } }, { search: { columns: ["a"], match: "contains" } }),
      't.answer.search.prefix: true | match: "words" in c with it: parts of words are found there anyway',
    ],
    [
      "is limited",
      sought({ limit: 1_001 }),
      't.answer.limit: 1001 | a whole number of 1 to 1000, or an argument such as "{limit}"',
    ],
    ["is limited by an argument", sought({ limit: "ten" }), `t.answer.limit: "ten" | ${ARGUMENT}`],
    ["goes on by an argument", sought({ cursor: "cursor" }), `t.answer.cursor: "cursor" | ${ARGUMENT}`],
    [
      "ignores arguments by name",
      answered({ key: "{id}", ignore: ["{lang}"] }),
      't.answer.ignore: "{lang}" | an argument by its name alone',
    ],
    [
      "looks up by names of its own",
      answered({ key: "{id}", with: { row: { from: "c", every: "id" } } }),
      "t.answer.with.row: row | another name than args, row, total, count, next",
    ],
    [
      "looks up by plain names",
      answered({ key: "{id}", with: { "a.b": { from: "c", every: "id" } } }),
      't.answer.with.a.b: "a.b" | a name of at most 40 characters: a letter, then letters, digits, underscores',
    ],
    [
      "looks up what there is",
      answered({ key: "{id}", with: { x: { from: "d", every: "id" } } }),
      't.answer.with.x.from: "d" | the name of one of the origin\'s collections',
    ],
    [
      "looks up by a whole key",
      answered({ key: "{id}", with: { x: { from: "c", key: ["{id}", "{b}"] } } }),
      "t.answer.with.x.key: 2 values | 1, as the key of c has: id",
    ],
    [
      "looks up in one way",
      answered({ key: "{id}", with: { x: { from: "c", every: "id", key: "{id}" } } }),
      "t.answer.with.x.every: a string | one of the known options",
    ],
    [
      "tells of what was looked up before",
      answered({
        key: "{id}",
        with: { x: { from: "c", key: "{id}", otherwise: { text: "{y}" } }, y: { from: "c", every: "id" } },
      }),
      "t.answer.with.x.otherwise.text: {y} | one of {args.name}",
    ],
    [
      "tells of no row where there is none",
      answered({ key: "{id}", notFound: { text: "{row.id}" } }),
      "t.answer.notFound.text: {row.id} | one of {args.name}",
    ],
    [
      "tells something",
      answered({ key: "{id}", notFound: { text: "" } }),
      't.answer.notFound.text: "" | at least one character',
    ],
    [
      "tells of known names",
      answered({ key: "{id}" }, {}, { value: { a: ["{args}"] } }),
      "t.shape.value: {args} | one of {args.name}, {row}, {row.name}",
    ],
    [
      "tells of members of one row alone",
      answered(
        { key: "{id}", with: { all: { from: "c", every: "id" }, one: { from: "c", key: "{id}" } } },
        {},
        { value: "{all.id}{one.id}{one}{all|join}" },
      ),
      "t.shape.value: {all.id} | one of {args.name}, {row}, {row.name}, {all}, {one.member}",
    ],
    [
      "by key is one row",
      answered({ key: "{id}" }, {}, { value: { a: "{total}" } }),
      "t.shape.value: {total} | one of {args.name}, {row}, {row.name}",
    ],
    [
      "by key has not each",
      answered({ key: "{id}" }, {}, { value: { each: "{row}" } }),
      "t.shape.value: each | it once, in the shape of an answer that may have several rows",
    ],
    [
      "has each once",
      answered({}, {}, { value: { each: { each: "{row}" } } }),
      "t.shape.value: each | it once, in the shape of an answer that may have several rows",
    ],
    [
      "has rows in each",
      answered({}, {}, { value: { each: "{row}", of: 1 } }),
      "t.shape.value: {row} | one of {args.name}, {total}, {count}",
    ],
    [
      "has a next page where it has a cursor",
      answered({}, {}, { value: ["{next}"] }),
      "t.shape.value: {next} | one of {args.name}, {total}, {count}",
    ],
    [
      "has whole references",
      answered({ key: "{id}" }, {}, { value: "{row.}" }),
      't.shape.value: "{row.}" | references in braces, such as {row.name} or {row.name|json}; {{ and }} for braces as text',
    ],
    [
      "has known ways to write",
      answered({ key: "{id}" }, {}, { text: { template: "{row|upper}" } }),
      't.shape.text.template: "{row|upper}" | references in braces, such as {row.name} or {row.name|json}; {{ and }} for braces as text',
    ],
    [
      "has a known text",
      answered({ key: "{id}" }, {}, { text: "yaml" }),
      't.shape.text: "yaml" | one of "json", "indented", "none", { template }',
    ],
    [
      "says something",
      answered({ key: "{id}" }, {}, { structured: false, text: "none" }),
      't.shape.text: "none" | text, or structured: true: else nothing is said',
    ],
    [
      "is JSON",
      answered({ key: "{id}" }, {}, { value: { a: undefined } }),
      "t.shape.value: an object | JSON: text, numbers, true, false, null, arrays, objects",
    ],
  ])("%s", (_, origin, problem) => {
    expect(problemsOf(origin)).toEqual([`tools.${problem}`]);
  });

  test("goes for one tool", () => {
    const tools = { "t*": { answer: { from: "c", key: "{id}" } } };
    expect(problemsOf({ ...collected({}), tools })).toEqual([
      "tools.t*.answer: an object | the exact name of one tool with it",
    ]);
  });

  test("looks up nothing that others may read than its own rows", () => {
    const roles = { r: {}, s: {} };
    const tools = { t: { answer: { from: "c", key: "{id}", with: { x: { from: "d", every: "id" } } } } };
    const read = (c: object, d: object) => ({ collections: { c: { ...C, ...c }, d: { ...C, ...d } }, tools });
    const only = (...names: string[]) => ({ scope: undefined, roles: names });
    const told = [
      'tools.t.answer.with.x.from: "d" | a collection that all may be answered from who may be answered from the tool\'s',
    ];
    expect(problemsOf(read({}, only("r")), { roles })).toEqual(told);
    expect(problemsOf(read(only("r", "s"), only("r")), { roles })).toEqual(told);
    expect(problemsOf(read(only("r"), only("s", "r")), { roles })).toEqual([]);
    expect(problemsOf(read(only("r"), {}), { roles })).toEqual([]);
  });

  test("has every condition, order and argument that it says", () => {
    const where = {
      a: { in: "{filter.a}", gte: 1, lt: "{{2}}" },
      "/b": { in: ["{x}", 1, true], null: false },
      c: { null: "{noC}", prefix: "{c}", orNull: true },
      d: false,
    };
    const orderBy = { argument: "{sort.by}", when: { up: "b", down: ["-/c", "key"] } };
    const more = { index: [["a"], ["b"], [{ at: "c", as: "lower" }], "d"], search: ["t"] };
    const search = { text: "some {{text}}", prefix: true };
    const { answer } = originOf(
      answered(
        {
          where,
          search,
          orderBy,
          limit: 5,
          cursor: "{page}",
          ignore: ["lang"],
          with: { x: { from: "c", key: "{x.y}" } },
        },
        more,
        {
          value: { rows: { each: ["{row.a}", "{args.echo}", "{total}"] }, next: "{next}", x: "{x}" },
          structured: false,
          text: { template: "{count} of {total}: {args.words.all|join}" },
        },
      ),
    ).tools.find("t")!.value;
    expect(answer).toEqual({
      from: "c",
      query: {
        kind: "rows",
        where: [
          {
            column: 0,
            tests: [
              { op: "gte", term: { value: 1 } },
              { op: "lt", term: { value: "{2}" } },
              { op: "in", terms: { argument: ["filter", "a"] } },
            ],
            orNull: false,
          },
          {
            column: 1,
            tests: [
              { op: "in", terms: ["{x}", 1, true] },
              { op: "null", is: false },
            ],
            orNull: false,
          },
          {
            column: 2,
            tests: [
              { op: "prefix", term: { argument: ["c"] } },
              { op: "null", is: { argument: ["noC"] } },
            ],
            orNull: true,
          },
          { column: 3, tests: [{ op: "eq", term: { value: false } }], orNull: false },
        ],
        search: { text: { value: "some {text}" }, prefix: true },
        order: {
          argument: ["sort", "by"],
          when: new Map([
            ["up", [{ by: 1, falls: false }]],
            [
              "down",
              [
                { by: 2, falls: true },
                { by: "key", falls: false },
              ],
            ],
          ]),
        },
        limit: { value: 5 },
        cursor: { argument: ["page"] },
      },
      lookups: [{ name: "x", from: "c", find: { key: [{ argument: ["x", "y"] }], otherwise: undefined } }],
      shape: {
        value: { rows: { each: ["{row.a}", "{args.echo}", "{total}"] }, next: "{next}", x: "{x}" },
        isStructured: false,
        text: { template: "{count} of {total}: {args.words.all|join}" },
      },
      covers: new Set(["filter", "noC", "c", "sort", "page", "x", "echo", "words", "lang"]),
      strict: false,
    });
  });

  test("does not cover what a refusal alone names", () => {
    const notFound = { text: "{args.lang}: none.", isError: false };
    const rule = originOf(answered({ key: "{id}", notFound })).tools.find("t")!.value.answer!;
    expect(rule.covers).toEqual(new Set(["id"]));
    expect(rule.query).toMatchObject({ notFound });
  });

  test("is strict where a write may change its rows, and that write is awaited", () => {
    const rulesOf = (invalidates: string, more: object = {}, t: object = {}) => {
      const answer = { from: "c", key: "{id}", with: { d: { from: "d", every: "id" } } };
      const { tools } = originOf({
        collections: { c: { ...C, tags: ["item:{id}"], ...more }, d: C, e: { ...C, tags: ["other"] } },
        tools: { t: { answer, ...t }, save: { write: { invalidates: [invalidates] } } },
      });
      return [tools.find("t")!.value.answer!.strict, tools.find("save")!.value.write!.isAwaited];
    };
    for (const tag of ["item:{sku}", "item:1", "tool:t", "tool:list", "collection:c", "collection:d", "origin"])
      expect(rulesOf(tag), tag).toEqual([true, true]);
    for (const tag of ["other", "collection:e", "tool:get"]) expect(rulesOf(tag), tag).toEqual([false, false]);
    const listed = { from: { resources: "x://*" } };
    expect(rulesOf("resource:x://{id}", listed)).toEqual([true, true]);
    expect(rulesOf("list:resources", listed)).toEqual([true, true]);
    expect(rulesOf("resource:y://{id}", listed)[0]).toBe(false);
    const filled = { from: { resources: "x://{id}", each: "e" } };
    expect(rulesOf("resource:x://1", filled)).toEqual([true, true]);
    expect(rulesOf("collection:e", filled)).toEqual([true, true]);
    expect(rulesOf("item:1", {}, { consistency: "bounded" })).toEqual([false, false]);
    expect(rulesOf("other", {}, { consistency: "strict" })).toEqual([true, false]);
  });
});

describe("answers that are compared", () => {
  const byKey = { from: "c", key: "{id}" };
  const cache = { ttl: "5m" };
  test.each<[string, object, string]>([
    ["are kept", { verify: 0.1 }, "verify: 0.1 | answer or cache with it"],
    ["are a share", { verify: 1.1, cache }, "verify: 1.1 | a number of 0 to 1"],
    ["are counted", { verify: "1%", cache }, 'verify: "1%" | a number'],
    [
      "stop what is mirrored",
      { cache, verify: 1, maxMismatch: 0.5 },
      "maxMismatch: 0.5 | answer, and a verify above 0, with it",
    ],
    [
      "stop where some are",
      { answer: byKey, verify: 0, maxMismatch: 0.5 },
      "maxMismatch: 0.5 | answer, and a verify above 0, with it",
    ],
    ["stop at a share", { answer: byKey, verify: 1, maxMismatch: -1 }, "maxMismatch: -1 | a number of 0 to 1"],
    ["differ where some are", { cache, volatile: ["/at"] }, "volatile: an array | a verify above 0 with it"],
    ["differ at places", { cache, verify: 1, volatile: ["at"] }, `volatile.0: "at" | ${POINTER}`],
  ])("%s", (_, t, problem) => {
    expect(problemsOf(collected({}, t))).toEqual([`tools.t.${problem}`]);
  });

  test("are those of tools that are kept, by name or by pattern", () => {
    const { tools } = originOf({
      ...collected({}),
      tools: {
        t: { answer: byKey, verify: 0.5, maxMismatch: 0, volatile: ["/at"] },
        "c*": { cache, verify: 1 },
        none: { cache, verify: 0 },
      },
    });
    expect(tools.find("t")!.value.verify).toEqual({ share: 0.5, maxMismatch: 0, volatile: ["/at"] });
    expect(tools.find("cached")!.value.verify).toEqual({ share: 1, maxMismatch: undefined, volatile: [] });
    expect(tools.find("none")!.value.verify).toBeUndefined();
  });
});

describe("mirrored resources", () => {
  const cache = { scope: "public" };
  const roles = { r: {}, s: {} };
  const WORD =
    '{ scope: "public" } or { roles: ["…"] }, or cache.scope: "public" beside true: resources are mirrored with the replica\'s own credential, so only you can say who may be answered from them';

  test("are a collection with one definition, however they are written", () => {
    const { collections, resources } = originOf({
      resources: {
        "y://*": { mirror: { scope: "public", every: "1m" } },
        "x://*": { mirror: true, cache },
        "z://*": { cache },
      },
    });
    expect(collections.get(RESOURCES)).toEqual({
      name: RESOURCES,
      from: { kind: "mirror", patterns: ["x://*", "y://*"] },
      key: [],
      keyNames: [],
      columns: [],
      indexes: [],
      search: undefined,
      readers: "public",
      everyMs: 60_000,
      maxRows: 200_000,
      staleIfErrorMs: 604_800_000,
      tags: [],
      row: undefined,
      tools: [],
    });
    expect(["x://1", "y://1", "z://1"].map((uri) => resources.find(uri)!.value.isMirrored)).toEqual([
      true,
      true,
      false,
    ]);
  });

  test.each<[string, object, string]>([
    ["have readers", { "x://*": { mirror: true } }, `x://*.mirror: true | ${WORD}`],
    ["have no readers by a private cache", { "x://*": { mirror: true, cache: {} } }, `x://*.mirror: true | ${WORD}`],
    ["say who reads them", { "x://*": { mirror: {} } }, `x://*.mirror.scope: neither scope nor roles | ${WHO}`],
    ["are mirrored or not", { "x://*": { mirror: false } }, "x://*.mirror: false | true, or { scope } or { roles }"],
    [
      "have roles that there are",
      { "x://*": { mirror: { roles: ["t"] } } },
      'x://*.mirror.roles: "t" | names of access.roles',
    ],
    [
      "are pulled now and then",
      { "x://*": { mirror: { scope: "public", every: "1s" } } },
      'x://*.mirror.every: "1s" | "10s" to "7d"',
    ],
    [
      "have the same readers",
      {
        "x://*": { mirror: { roles: ["s", "r"] } },
        "y://*": { mirror: { roles: ["r", "s"] } },
        "z://*": { mirror: true, cache },
      },
      "z://*.mirror: other readers | the same scope or roles as all other mirrored resources of the origin have",
    ],
  ])("%s", (_, resources, problem) => {
    expect(problemsOf({ resources }, { roles })).toEqual([`resources.${problem}`]);
  });

  test("are no prompts", () => {
    expect(problemsOf({ prompts: { p: { mirror: true } } })).toEqual([
      "prompts.p.mirror: true | one of the known options",
    ]);
  });
});

test("what an object cannot be asked for by name is not lost without a word", () => {
  const parse = (text: string) => JSON.parse(text) as object;
  const where = parse('{"a":1,"__proto__":{"eq":2}}');
  expect(problemsOf(sought({ where }, { index: ["a"] }))).toEqual([
    'tools.t.answer.where.__proto__: "__proto__" | another name',
  ]);
  const from = { tool: "list", arguments: parse('{"a":{"__proto__":1}}') };
  expect(problemsOf(collected({ from }))).toEqual([
    'collections.c.from.arguments.a.__proto__: "__proto__" | another name',
  ]);
  expect(problemsOf({ collections: parse('{"__proto__":{}}') })).toEqual([
    'collections.__proto__: "__proto__" | another name',
  ]);
});

test("a template is text and references, with braces doubled where they are text", () => {
  const reference = (path: string[], as?: string) => ({ path, as });
  expect(parseTemplate("")).toEqual([]);
  expect(parseTemplate("a{{b}}c")).toEqual(["a{b}c"]);
  expect(parseTemplate("{{{a.b|json}}}{c|keys}")).toEqual([
    "{",
    reference(["a", "b"], "json"),
    "}",
    reference(["c"], "keys"),
  ]);
  expect(parseTemplate("{/to/lang}é{ünï-x}")).toEqual([reference(["/to/lang"]), "é", reference(["ünï-x"])]);
  for (const text of ["{", "}", "{}", "{a", "a}", "{a b}", "{a.}", "{.a}", "{a|}", "{a|b}", "{a|json|join}", "{a{b}}"])
    expect(parseTemplate(text), text).toBeUndefined();
});

test("places for values are all that braces are in a URI, or in what one row is asked for by", () => {
  expect(placesIn("x://{id}/{/to/lang}?{a b}")).toEqual(["id", "/to/lang", "a b"]);
  expect(placesIn("x://1")).toEqual([]);
  for (const text of ["{", "x}", "{}", "{{id}}", "{a{b}"]) expect(placesIn(text), text).toBeUndefined();
});

/** The places in a value, its own first. */
function placesOf(value: unknown, path: string[] = []): string[][] {
  if (value === null || typeof value !== "object") return [path];
  return [path, ...Object.entries(value).flatMap(([name, one]) => placesOf(one, [...path, name]))];
}

test("whatever is changed in a file is taken, or named with its place, and never fails otherwise", async () => {
  const file = structuredClone({ ...demo, resources: { "bcd://*": { mirror: { scope: "public", every: "1m" } } } });
  const words = [
    "",
    "key",
    "id",
    "-id",
    "{id}",
    "{",
    "{row}",
    "{row.id|json}",
    "/a~2",
    "features",
    "browsers",
    "x://{id}",
    "5m",
  ];
  const scalar = fc.oneof(fc.constantFrom(...words), fc.constantFrom(0, -1, 0.5, 1e9, true, false, null, undefined));
  const part = fc.oneof(
    scalar,
    fc.constantFrom(...placesOf(file)).map((path) => at(file, path)),
  );
  const value = fc.oneof(
    part,
    fc.array(part, { maxLength: 3 }),
    fc.dictionary(fc.constantFrom("from", "tool", "key", "every", "each", "eq", "at", "text", "x"), part, {
      maxKeys: 3,
    }),
  );
  const changes = fc.array(fc.tuple(fc.constantFrom(...placesOf(file).slice(1)), value), {
    minLength: 1,
    maxLength: 3,
  });
  const seen = { taken: 0, refused: 0 };
  await fc.assert(
    fc.asyncProperty(changes, async (all) => {
      const origin = structuredClone(file);
      for (const [path, value] of all) {
        const holder = at(origin, path.slice(0, -1));
        if (holder !== null && typeof holder === "object")
          (holder as Record<string, unknown>)[path.at(-1)!] = structuredClone(value);
      }
      const problems = problemsOf(origin);
      for (const problem of problems) expect(problem).toMatch(/^(tools|collections|resources)[^:]*.*: [^]+ \| [^]+$/);
      seen[problems.length > 0 ? "refused" : "taken"]++;
      if (problems.length > 0) return;
      const { settings, collections, tools } = originOf(origin);
      for (const collection of collections.values()) {
        expect(structuredClone(collection)).toEqual(collection);
        expect(await mirrorName(settings, collection)).toMatch(/^o\/[^#]+#[0-9a-f]{12}$/);
      }
      for (const name of Object.keys(origin.tools ?? {})) {
        const from = tools.find(name)!.value.answer?.from;
        if (from !== undefined) expect(collections.get(from)!.tools).toContain(name);
      }
    }),
    { numRuns: runs(300, 20_000) },
  );
  expect(seen.taken).toBeGreaterThan(0);
  expect(seen.refused).toBeGreaterThan(0);
});

function at(value: unknown, path: readonly string[]): unknown {
  let found = value;
  for (const name of path) found = (found as Record<string, unknown> | null | undefined)?.[name];
  return found;
}
