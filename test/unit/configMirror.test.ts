import { expect, test } from "vitest";
import { ConfigError } from "../../src/config/ConfigError.ts";
import { resolve } from "../../src/config/resolve.ts";

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
    tools: ["get_feature", "search_features"],
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

test("a tool is answered from a collection that there is", () => {
  expect(problemsOf({ tools: { x: { answer: { from: "none", key: "{id}" } } } })).toEqual([
    'tools.x.answer.from: "none" | the name of one of the origin\'s collections',
  ]);
});
