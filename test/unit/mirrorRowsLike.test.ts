import { beforeAll, expect, test } from "vitest";
import { resolve } from "../../src/config/resolve.ts";
import { serveRows } from "../../src/http/admin/serveRows.ts";
import { rowsLike, type RowsFound, type RowsLike } from "../../src/mirror/rowsLike.ts";
import { SILENT } from "../../src/telemetry/events.ts";
import { env } from "cloudflare:workers";
import { HOSTILE, mirrored, type World } from "./support/mirrored.ts";

const ID = "rowslike";
const from = { tool: "list", rows: "/items" };
const COLLECTIONS = {
  things: {
    from,
    key: ["id", "nth"],
    index: ["price", "name", { at: "v", as: "version" as const }],
    search: ["name"],
    scope: "public" as const,
  },
  parts: { from, key: "id", search: { columns: ["name"], match: "contains" as const }, scope: "public" as const },
  never: { from, key: "id", scope: "public" as const },
};
const THINGS = [
  { id: "a", nth: 1, price: 5, name: "Blue chair", v: "9" },
  { id: "a", nth: 2, price: 10, name: "Green chair", v: "16.4" },
  { id: "b", nth: 1, price: "10", name: "Table", v: "16.10" },
  { id: "c", nth: 1, name: null, price: true },
  ...HOSTILE.map((name, nth) => ({ id: "hostile", nth, price: 1_000 + nth, name })),
];
let world: World;

beforeAll(async () => {
  world = await mirrored(ID, { collections: COLLECTIONS, resources: { "c://*": { mirror: { scope: "public" } } } });
  await world.publish("things", THINGS.slice(0, 3));
  await world.publish("things", THINGS);
  await world.publish(
    "parts",
    THINGS.slice(0, 3).map(({ nth, ...rest }, at) => ({ ...rest, id: `${nth}${at}` })),
  );
});

const look = (wanted: Partial<RowsLike>, name = "things") =>
  rowsLike(env.DB, world.collections.get(name)!, { limit: 100, ...wanted });
async function keys(wanted: Partial<RowsLike>, name?: string) {
  const found = await look(wanted, name);
  return "problem" in found ? found.problem : found.rows.map(({ key }) => key.join(" "));
}

test("rows are shown whole, by key, with the version that brought each", async () => {
  const found = (await look({ limit: 4 })) as RowsFound;
  expect(found).toEqual({
    version: 2,
    size: THINGS.length,
    rows: THINGS.slice(0, 4).map((body, at) => ({ key: [body.id, String(body.nth)], since: at < 3 ? 1 : 2, body })),
  });
  expect(await keys({ key: ["b", "1"] })).toEqual(["b 1"]);
  expect(await keys({ key: ["b"] })).toContain("id, nth");
  expect(await look({}, "never")).toEqual({ version: 0, size: 0, rows: [] });
});

test("what was mirrored of resources is shown as the results that it is", async () => {
  await world.publish("~resources", [
    { key: "list:0", body: '"resources":[]' },
    { key: "read:c://1", body: '"contents":[{"uri":"c://1","text":"x"}]' },
  ]);
  const found = (await look({ key: ["read:c://1"] }, "~resources")) as RowsFound;
  expect(found.rows).toEqual([{ key: ["read:c://1"], since: 1, body: { contents: [{ uri: "c://1", text: "x" }] } }]);
});

test.each<[string[], string[] | RegExp]>([
  // What is true is 1.
  [["price<=5"], ["a 1", "c 1"]],
  [["price = 10"], ["a 2"]],
  [['price="10"'], ["b 1"]],
  [["price=true"], ["c 1"]],
  [["price>4", "price<10"], ["a 1"]],
  [["name=null"], ["c 1"]],
  [["name^=Gr"], ["a 2"]],
  [["name=Blue chair"], ["a 1"]],
  [
    ["v>=16.4", "v<17"],
    ["a 2", "b 1"],
  ],
  [["v=16.10"], ["b 1"]],
  [["v<16.10"], ["a 1", "a 2"]],
  [["v=newest"], /compared/],
  [["weight=1"], /no column: there are .*price/],
  [["price"], /no condition/],
  [["=1"], /no condition/],
])("where %j finds %j", async (where, found) => {
  const got = await keys({ where });
  if (Array.isArray(found)) expect(got).toEqual(found);
  else expect(got).toMatch(found);
});

test("a search finds words from their beginning, or parts, as the collection has it", async () => {
  expect(((await keys({ search: "CHAI" })) as string[]).toSorted()).toEqual(["a 1", "a 2"]);
  expect(await keys({ search: "hai" })).toEqual([]);
  expect(await keys({ search: "hai een" }, "parts")).toEqual(["21"]);
  expect(await keys({ search: "gr" }, "parts")).toEqual(["21"]);
  expect(await keys({ search: "x" }, "never")).toContain("no search");
  expect(await keys({ search: "..." })).toContain("nothing in the text");
});

test("nothing that an operator types is SQL, nor anything that a row says", async () => {
  for (const [nth, text] of HOSTILE.entries()) {
    expect(await keys({ key: ["hostile", text] }), text.slice(0, 40)).toEqual([]);
    const named = await keys({ where: [`name=${JSON.stringify(text)}`] });
    expect(named, text.slice(0, 40)).toEqual([`hostile ${nth}`]);
    expect(typeof (await keys({ where: [`${text}=1`] })), text.slice(0, 40)).toBe("string");
    const searched = await keys({ search: text });
    if (typeof searched !== "string") expect(searched, text.slice(0, 40)).not.toContain("c 1");
  }
  expect((await look({})) as RowsFound).toMatchObject({ version: 2, size: THINGS.length });
});

test("the endpoint takes what it can understand, and says of the rest what it wants", async () => {
  const replica = resolve({
    origins: { [ID]: { url: `https://${ID}.example.com/mcp`, collections: COLLECTIONS } },
    access: { open: true },
  });
  const asked = async (body: unknown, bindings = env) => {
    const text = typeof body === "string" ? body : JSON.stringify(body);
    const request = new Request("http://127.0.0.1/admin/rows", { method: "POST", body: text });
    const response = await serveRows({ replica, report: SILENT }, request, bindings as Cloudflare.Env);
    const reply = (await response.json()) as { rows?: unknown[]; error?: { data: { code: string } } };
    return reply.rows ?? `${response.status} ${reply.error!.data.code}`;
  };
  expect(await asked({ collection: "things", key: ["a", "2"], origin: ID })).toHaveLength(1);
  expect(await asked({ collection: "parts", key: "10" })).toHaveLength(1);
  expect(await asked({ collection: "things", where: "price>=1000", limit: 2 })).toHaveLength(2);
  // A screenful, where nothing is said.
  expect(await asked({ collection: "things" })).toHaveLength(20);
  for (const body of ["{", {}, { collection: "things", limit: 0 }, { collection: "things", limit: 1_001 }]) {
    expect(await asked(body)).toBe("400 bad_rows");
  }
  expect(await asked({ collection: "things", key: ["a", "2"], search: "x" })).toBe("400 bad_rows");
  expect(await asked({ collection: "things", sql: "x" })).toBe("400 bad_rows");
  expect(await asked({ collection: "constructor" })).toBe("404 unknown_collection");
  expect(await asked({ collection: "things", origin: "other" })).toBe("404 unknown_origin");
  expect(await asked({ collection: "things" }, { ...env, DB: undefined } as never)).toBe("503 rows_unavailable");
});
