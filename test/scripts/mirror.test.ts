import { writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { serve, type Served } from "../../scripts/serve/serve.ts";
import { Fixture, tool } from "../integration/support/fixture.ts";
import { runScript, tempFolder } from "./runScript.ts";

const TOKEN = "s3cret";
const origin = new Fixture();
let served: Served;
let products: Record<string, unknown>[];

beforeAll(async () => {
  await origin.start();
  origin.tools = [tool("list_products")];
  const config = path.join(tempFolder(), "config.mjs");
  const pages = { cursor: { argument: "cursor", next: "/next" }, total: "/total" };
  const collections = {
    products: {
      from: { tool: "list_products", rows: "/products", ...pages },
      key: ["sku", "region"],
      index: ["price", "name"],
      search: ["name"],
      scope: "public",
    },
    makers: { from: { tool: "list_products", rows: "/makers" }, key: "id", scope: "public" },
  };
  const origins = { catalog: { url: origin.url, collections } };
  writeFileSync(config, `export default ${JSON.stringify({ origins, access: { open: true } })};`);
  served = await serve({ config, vars: { ADMIN_TOKEN: TOKEN } });
  products = Array.from({ length: 25 }, (_, nth) => ({
    sku: nth + 1,
    region: "eu",
    name: `Chair ${nth + 1}`,
    price: nth,
  }));
  // Pages of ten.
  origin.on("tools/call list_products", ({ params }) => {
    const from = Number(params.arguments?.cursor ?? 0);
    const next = from + 10 < products.length ? { next: from + 10 } : {};
    const page = { products: products.slice(from, from + 10), total: products.length, makers: [{ id: "m" }], ...next };
    return { result: { content: [], structuredContent: page, resultType: "complete" } };
  });
});
afterAll(async () => {
  await served?.close();
  await origin.stop();
});

function replica(...args: string[]) {
  return runScript("scripts/replica/main.ts", [...args, "--url", served.url], { REPLICA_ADMIN_TOKEN: TOKEN });
}

test("sync has all pulled, shows how far it is, and says what has changed; status shows it", async () => {
  const first = replica("sync");
  expect(await first.ended, first.output()).toBe(0);
  expect(first.stdout()).toMatch(
    /^products: 25 rows in version 1: 25 added, 0 changed, 0 removed; \d+ rows written in [\d.]+ s$/m,
  );
  expect(first.stdout()).toMatch(/^makers: 1 row in version 1: 1 added, /m);
  // How far it is goes elsewhere than what came of it.
  expect(first.stdout().trim().split("\n")).toHaveLength(2);

  products[3] = { ...products[3], name: "Table" };
  products.pop();
  const second = replica("sync", "products", "--json");
  expect(await second.ended, second.output()).toBe(0);
  const [ended, ...more] = JSON.parse(second.stdout());
  expect(more).toEqual([]);
  expect(ended).toMatchObject({ origin: "catalog", collection: "products", version: 2, rows: 24, failed: null });
  expect(ended.pulled).toMatchObject({ added: 0, changed: 1, removed: 1 });

  const same = replica("sync", "products");
  expect(await same.ended, same.output()).toBe(0);
  expect(same.stdout()).toMatch(/^products: 24 rows in version 2: as before; \d rows? written in /);

  const status = replica("status");
  expect(await status.ended, status.output()).toBe(0);
  expect(status.stdout()).toMatch(/\n {2}products +24 +2 +\d+ s +\d+ s ago +0 +0 +0 +\d\n/);
});

test("rows shows what a collection holds: all of it, by key, by conditions, by text", async () => {
  const shown = async (...args: string[]) => {
    const script = replica("rows", "products", ...args);
    expect(await script.ended, script.output()).toBe(0);
    return script;
  };
  const all = await shown("--limit", "3");
  expect(all.output()).toContain("products: 3 of 24 rows, version 2\n");
  expect(all.stdout().trim().split("\n")).toHaveLength(3);
  expect(all.stdout()).toContain('1 eu  {"sku":1,"region":"eu","name":"Chair 1","price":0}\n');
  // One row is shown whole, and pipes into what reads JSON.
  const one = await shown("--key", "4", "--key", "eu");
  expect(JSON.parse(one.stdout())).toEqual({ sku: 4, region: "eu", name: "Table", price: 3 });
  const cheap = await shown("--where", "price<=9", "--where", "price>7", "--json");
  expect(JSON.parse(cheap.stdout()).rows.map(({ key }: { key: string[] }) => key)).toEqual([
    ["10", "eu"],
    ["9", "eu"],
  ]);
  expect(JSON.parse((await shown("--search", "table")).stdout())).toMatchObject({ sku: 4 });
  expect((await shown("--key", "99", "--key", "eu")).stdout()).toBe("");
});

test("what a row says does nothing to the terminal", async () => {
  products[0] = { ...products[0], name: "x\u001b[2J\u202ey" };
  expect(await replica("sync", "products").ended).toBe(0);
  for (const args of [
    ["--key", "1", "--key", "eu"],
    ["--limit", "2"],
  ]) {
    const script = replica("rows", "products", ...args);
    expect(await script.ended).toBe(0);
    expect(script.stdout()).toContain("x\\u001b[2J?y");
  }
});

test("a pull that fails is told with what is wrong, and its end is not a good one; what was there is kept", async () => {
  products.push({ region: "eu", name: "Nothing" }, { region: "eu" });
  const script = replica("sync", "products");
  expect(await script.ended).toBe(1);
  expect(script.stdout()).toMatch(/^products: .*\b2\b.* \[no-key\]; version 3 is kept$/m);
  products.splice(-2);
});

test("what the replica refuses is told in its words", async () => {
  for (const [args, words] of [
    [["sync", "nothing"], "products, makers"],
    [["rows", "nothing"], "products, makers"],
    [["rows", "products", "--where", "weight<=3"], "weight"],
    [["rows", "products", "--key", "4"], "key"],
    [["rows", "makers", "--search", "x"], "search"],
    [["sync", "--origin", "elsewhere"], "Name one of these origins: catalog."],
  ] as const) {
    const script = replica(...args);
    expect(await script.ended, args.join(" ")).toBe(1);
    expect(script.output()).toMatch(/refused \(HTTP 40[04]\)/);
    expect(script.output()).toContain(words);
  }
});

test.each([
  [["sync", "a", "b"], "replica -- sync"],
  [["sync", "--now"], "replica -- sync"],
  [["rows"], "replica -- rows"],
  [["rows", "a", "b"], "replica -- rows"],
  [["rows", "a", "--key", "x", "--search", "y"], "replica -- rows"],
  [["rows", "a", "--limit", "many"], "replica -- rows"],
])("%j is refused with the usage", async (args, words) => {
  const script = replica(...args);
  expect(await script.ended).toBe(2);
  expect(script.output()).toContain(words);
});
