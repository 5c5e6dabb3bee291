import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { compareVersions, parseVersion } from "../../scripts/origin/compareVersions.ts";
import { type Origin, startOrigin } from "../../scripts/origin/startOrigin.ts";
import { type AnyClient, call, CLIENTS, refusal } from "./clients.ts";

let origin: Origin;
beforeAll(async () => {
  origin = await startOrigin();
});
afterAll(() => origin.close());

describe.each(CLIENTS)("the tools, %s client", (_name, connect) => {
  let client: AnyClient;
  beforeAll(async () => {
    client = await connect(origin.url);
  });
  afterAll(() => client.close());

  test("are listed with honest annotations", async () => {
    const { tools } = await client.listTools();
    const reads = { readOnlyHint: true, idempotentHint: true, openWorldHint: false };
    const adds = { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: false };
    expect(Object.fromEntries(tools.map((tool) => [tool.name, tool.annotations]))).toEqual({
      search_features: reads,
      get_feature: reads,
      check_support: reads,
      list_supported: reads,
      list_features: reads,
      list_support: reads,
      add_note: adds,
      add_note_once: { ...adds, idempotentHint: true },
    });
    expect(tools.every((tool) => tool.outputSchema)).toBe(true);
  });

  test("search_features needs every word, in either case, and orders by id", async () => {
    const found = await call(client, "search_features", { query: "ABORT signal", limit: 3 });
    const ids: string[] = found.features.map((feature: { id: string }) => feature.id);
    expect(ids.slice(0, 2)).toEqual(["api.AbortController.signal", "api.AbortSignal"]);
    expect(ids).toHaveLength(3);
    expect(ids).toEqual(ids.toSorted());
    expect(found.total).toBeGreaterThan(3);
  });

  test("search_features looks at descriptions and tells when nothing matches", async () => {
    const found = await call(client, "search_features", { query: "headers symbol.iterator" });
    expect(found.features).toContainEqual({ id: "api.Headers.@@iterator", description: "[Symbol.iterator]" });
    expect(await call(client, "search_features", { query: "abort nosuchword" })).toEqual({ features: [], total: 0 });
    expect(await refusal(client, "search_features", { query: " " })).toContain("query");
    expect(await refusal(client, "search_features", { query: "a", limit: 0 })).toContain("limit");
  });

  test("get_feature gives a feature in full", async () => {
    const feature = await call(client, "get_feature", { id: "api.AbortController" });
    expect(feature).toMatchObject({
      id: "api.AbortController",
      mdn_url: "https://developer.mozilla.org/docs/Web/API/AbortController",
      spec_url: ["https://dom.spec.whatwg.org/#interface-abortcontroller"],
      status: { experimental: false, standard_track: true, deprecated: false },
      notes: [],
    });
    expect(feature.support.safari).toEqual({ added: "12.1", removed: null, partial: false, flags: [] });
    expect(feature.support.ie).toEqual({ added: null, removed: null, partial: false, flags: [] });
  });

  test("get_feature refuses an unknown id", async () => {
    const sentence = 'There is no feature with the id "api.Nope". Use search_features to find ids.';
    expect(await refusal(client, "get_feature", { id: "api.Nope" })).toBe(sentence);
    expect(await refusal(client, "get_feature", { id: "__proto__" })).toContain("There is no feature");
  });

  test("check_support tells the versions and whether the current one has it", async () => {
    expect(await call(client, "check_support", { id: "api.AbortController", browser: "chrome" })).toMatchObject({
      id: "api.AbortController",
      browser: "chrome",
      supported: true,
      added: "66",
      removed: null,
      partial: false,
      flags: [],
    });
    expect(await call(client, "check_support", { id: "api.AbortController", browser: "ie" })).toMatchObject({
      supported: false,
      current_version: "11",
      added: null,
    });
  });

  test("check_support refuses what does not exist and names what does", async () => {
    const unknown = await refusal(client, "check_support", { id: "api.AbortController", browser: "netscape" });
    expect(unknown).toMatch(/^There is no browser "netscape"\. The browsers are bun, chrome, .*, webview_ios\.$/);
    expect(await refusal(client, "check_support", { id: "api.Nope", browser: "chrome" })).toContain("no feature");
    const uncovered = await refusal(client, "check_support", { id: "css.properties.display", browser: "nodejs" });
    expect(uncovered).toMatch(/^The data says nothing about css\.properties\.display in nodejs\. It covers chrome, /);
  });

  test("list_supported compares versions by number", async () => {
    const has = async (version: string) => {
      const { features } = await call(client, "list_supported", { browser: "safari", version, limit: 1_000 });
      return features.some((feature: { id: string }) => feature.id === "api.AbortController");
    };
    expect(await has("11")).toBe(false);
    // In part from 11.1 on, and 9 is before 11.1.
    expect(await has("9")).toBe(false);
    expect(await has("11.1")).toBe(true);
    expect(await has("12.1")).toBe(true);
    const old = await call(client, "list_supported", { browser: "safari", version: "9", limit: 1 });
    const recent = await call(client, "list_supported", { browser: "safari", version: "16.4", limit: 1 });
    expect(old.features).toHaveLength(1);
    expect(old.total).toBeLessThan(recent.total);
  });

  test("list_supported refuses an unknown browser and a version that is no number", async () => {
    expect(await refusal(client, "list_supported", { browser: "netscape", version: "4" })).toContain("no browser");
    expect(await refusal(client, "list_supported", { browser: "safari", version: "TP" })).toBe(
      '"TP" is not a version number such as "120" or "16.4".',
    );
  });

  test("list_features gives every feature once, in order", async () => {
    const ids: string[] = [];
    let total: number | undefined;
    let cursor: string | undefined;
    do {
      const page = await call(client, "list_features", { limit: 2_000, cursor });
      expect(page.features.length).toBeGreaterThan(0);
      ids.push(...page.features.map((feature: { id: string }) => feature.id));
      total = page.total;
      cursor = page.nextCursor;
    } while (cursor !== undefined);
    expect(total).toBe(ids.length);
    expect(ids.length).toBeGreaterThan(15_000);
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids).toEqual(ids.toSorted());
  });

  test("list_support goes on where the page before ended", async () => {
    const all = await call(client, "list_support", { limit: 30 });
    const first = await call(client, "list_support", { limit: 10 });
    const second = await call(client, "list_support", { limit: 20, cursor: first.nextCursor });
    expect([...first.support, ...second.support]).toEqual(all.support);
    expect(all.support[0]).toEqual({
      id: "api.ANGLE_instanced_arrays",
      browser: "chrome",
      added: "32",
      removed: null,
      partial: false,
    });
  });

  test("list_features gives features as get_feature does", async () => {
    const noted = "api.AbortPaymentEvent";
    const { note } = await call(client, "add_note", { id: noted, text: "x" });
    const first = await call(client, "list_features", { detail: "full", limit: 60 });
    const second = await call(client, "list_features", { detail: "full", limit: 60, cursor: first.nextCursor });
    const rows = [...first.features, ...second.features];
    expect(new Set(rows.map(({ id }) => id)).size).toBe(120);
    expect(rows.find(({ id }) => id === noted).notes).toContainEqual(note);
    for (const row of rows.filter((_, at) => at % 20 === 0 || rows[at].id === noted)) {
      expect(JSON.stringify(row)).toBe(JSON.stringify(await call(client, "get_feature", { id: row.id })));
    }
  });

  test("list_support gives rows as check_support answers", async () => {
    const { support, nextCursor } = await call(client, "list_support", { detail: "full", limit: 40 });
    const next = await call(client, "list_support", { detail: "full", limit: 40, cursor: nextCursor });
    expect(next.total).toBe((await call(client, "list_support", { limit: 1 })).total);
    const rows = [...support, ...next.support];
    expect(new Set(rows.map(({ id, browser }) => `${id} ${browser}`)).size).toBe(80);
    for (const row of rows.filter((_, at) => at % 10 === 0)) {
      const { id, browser } = row;
      expect(JSON.stringify(row)).toBe(JSON.stringify(await call(client, "check_support", { id, browser })));
    }
    expect(await refusal(client, "list_support", { detail: "much" })).toContain("detail");
  });

  test("refuse a cursor from elsewhere", async () => {
    const { nextCursor } = await call(client, "list_support", { limit: 1 });
    for (const cursor of [nextCursor, `${nextCursor}=`, "", "nonsense"]) {
      expect(await refusal(client, "list_features", { cursor })).toBe(
        "That cursor is not valid here. Start again without a cursor.",
      );
    }
  });

  test("an unknown tool is a protocol error", async () => {
    await expect(client.callTool({ name: "nope", arguments: {} })).rejects.toMatchObject({ code: -32602 });
  });
});

test("list_support covers the whole table, each cell once", async () => {
  const client = await CLIENTS[0]![1](origin.url);
  const { rows, total } = await allSupport(client, {});
  expect(rows.length).toBeGreaterThan(200_000);
  expect(new Set(rows.map(({ id, browser }) => `${id} ${browser}`)).size).toBe(rows.length);
  expect(total).toBe(rows.length);
  await client.close();
}, 60_000);

test("the ranges of list_support say what list_supported does", async () => {
  const part = await startOrigin({ only: "api.W" });
  const client = await CLIENTS[0]![1](part.url);
  const { rows, total } = await allSupport(client, { detail: "ranges" });
  expect(rows.length).toBeGreaterThan(10_000);
  expect(new Set(rows.map(({ id, browser, added }) => `${id} ${browser} ${added}`)).size).toBe(rows.length);
  expect(total).toBe(rows.length);
  // A preview, which is no number, has lost some of what 26.4 has.
  expect(rows.some(({ removed }) => removed === "preview")).toBe(true);
  for (const [browser, version] of [
    ["safari", "26.4"],
    ["chrome", "≤9.0"],
    ["nodejs", "v16.10"],
    ["ie", "11"],
  ] as const) {
    const supported = await call(client, "list_supported", { browser, version, limit: 1_000 });
    const found = rows.filter(
      (row) =>
        row.browser === browser &&
        compareVersions(row.added, version) <= 0 &&
        !(row.removed !== null && parseVersion(row.removed) && compareVersions(version, row.removed) >= 0),
    );
    expect(found.length).toBe(supported.total);
    expect(found.slice(0, 1_000).map(({ id, description }) => ({ id, description }))).toEqual(supported.features);
  }
  await client.close();
  await part.close();
});

/** All rows, page by page, and how many the origin says there are. */
async function allSupport(client: AnyClient, args: { detail?: string }) {
  const rows: any[] = [];
  let cursor: string | undefined;
  let total = 0;
  do {
    const page = await call(client, "list_support", { ...args, limit: 5_000, cursor });
    rows.push(...page.support);
    ({ nextCursor: cursor, total } = page);
  } while (cursor !== undefined);
  return { rows, total };
}
