import { expect, test } from "vitest";
import { ConfigError } from "../../src/config/ConfigError.ts";
import { resolve } from "../../src/config/resolve.ts";

const file = (tools: unknown, limits?: unknown) => ({
  origins: { a: { url: "https://mcp.example.com/mcp", ...(tools !== undefined && { tools }) } },
  ...(limits !== undefined && { limits }),
});

const BINDING = "the name of a rate-limit binding, such as EDGE_LIMIT; its numbers stand in wrangler.toml";

function problemsOf(config: unknown): string[] {
  try {
    resolve(config);
    return [];
  } catch (error) {
    return (error as ConfigError).problems.map(({ path, expected }) => `${path}: ${expected}`);
  }
}

test("without a word nothing is limited but calls at once", () => {
  const { limits, origins } = resolve(file({ search: { cache: { ttl: "1m" } } }));
  expect(limits).toMatchObject({ edge: undefined, origin: undefined, concurrency: 32 });
  const { tools, isBounded, toolLimiters, settings } = origins.get("a")!;
  expect([tools.find("search")!.value.bounds, isBounded, toolLimiters]).toEqual([undefined, false, []]);
  expect(settings.budgets).toBeUndefined();
  // What is stored under a configuration without budgets is found again by one that knows of none.
  expect(JSON.parse(settings.identity)).toHaveLength(4);
});

test("limits, budgets and what is expensive are resolved, and budgets are part of what an answer is stored under", () => {
  const tools = {
    search: { limit: "SEARCH_LIMIT", budget: { bytes: "64KB", tokens: 8_000, time: "5s" }, expensive: true },
    "get_*": { cache: { ttl: "1m" }, budget: { time: "2s" } },
    get_free: { expensive: false },
    other: { expensive: false },
  };
  const { limits, origins } = resolve(file(tools, { edge: "EDGE_LIMIT", origin: "ORIGIN_LIMIT", concurrency: 5 }));
  expect(limits).toMatchObject({ edge: "EDGE_LIMIT", origin: "ORIGIN_LIMIT", concurrency: 5 });
  const a = origins.get("a")!;
  const budget = { bytes: 65_536, tokens: 8_000, timeMs: 5_000 };
  expect(a.tools.find("search")!.value.bounds).toEqual({
    name: "search",
    limiter: "SEARCH_LIMIT",
    budget,
    isExpensive: true,
  });
  expect(a.tools.find("get_x")!.value.bounds).toMatchObject({ name: "get_*", budget: { timeMs: 2_000 } });
  expect(a.tools.find("other")!.value.bounds).toBeUndefined();
  expect([a.isBounded, a.toolLimiters]).toEqual([true, ["SEARCH_LIMIT"]]);
  expect(a.settings.budgets).toEqual({ "get_*": { timeMs: 2_000 }, get_free: null, search: budget });
  const without = resolve(file({ ...tools, "get_*": {} })).origins.get("a")!;
  expect(without.settings.identity).not.toBe(a.settings.identity);
  // What has nothing to do with it ends no session, and loses nothing that is stored.
  const more = resolve(file({ ...tools, more: { cache: { ttl: "1m" } } })).origins.get("a")!;
  expect(more.settings.identity).toBe(a.settings.identity);
  const denies = (tools: object) => resolve(file(tools)).origins.get("a")!.settings;
  const before = denies({ "drop_*": { deny: true }, drop_a: {}, "*_all": {} });
  expect(before.denied).toEqual({ "drop_*": true, drop_a: false, "*_all": false });
  expect(denies({ "drop_*": { deny: true }, drop_a: {}, "*_all": {}, get: {} }).identity).toBe(before.identity);
});

test.each([
  ["limits.edge", file(undefined, { edge: "edge limit" }), BINDING],
  ["limits.origin", file(undefined, { origin: 50 }), BINDING],
  ["limits.concurrency", file(undefined, { concurrency: 0 }), "a whole number of 1 to 1000"],
  ["limits.concurrency", file(undefined, { concurrency: 1_001 }), "a whole number of 1 to 1000"],
  ["origins.a.tools.t.limit", file({ t: { limit: "" } }), BINDING],
  ["origins.a.tools.t.expensive", file({ t: { expensive: "yes" } }), "a boolean"],
  ["origins.a.tools.t.budget", file({ t: { budget: {} } }), "at least one of bytes, tokens and time"],
  ["origins.a.tools.t.budget.bytes", file({ t: { budget: { bytes: "17MB" } } }), 'more than "0B", at most "16MB"'],
  ["origins.a.tools.t.budget.bytes", file({ t: { budget: { bytes: "0B" } } }), 'more than "0B", at most "16MB"'],
  ["origins.a.tools.t.budget.tokens", file({ t: { budget: { tokens: 0 } } }), "a whole number of 1 to 4194304"],
  ["origins.a.tools.t.budget.time", file({ t: { budget: { time: "0s" } } }), 'more than "0s" and at most "15m"'],
  [
    "origins.a.resources.t.limit",
    { origins: { a: { url: "https://a.example/", resources: { t: { limit: "X" } } } } },
    "one of the known options",
  ],
])("%s is refused where it is wrong", (path, config, expected) => {
  expect(problemsOf(config)).toEqual([`${path}: ${expected}`]);
});
