import { describe, expect, test } from "vitest";
import { readResource } from "../../src/mirror/readResource.ts";
import { AS_OF, HOSTILE, mirrored, said, strict } from "./support/mirrored.ts";

const from = { tool: "list", rows: "/items" };
const scope = "public";

describe("by its key", async () => {
  const world = await mirrored("answer-key", {
    collections: {
      things: { from, key: "id", scope },
      pairs: { from, key: ["id", "/place/name"], scope },
      places: { from, key: "name", scope },
      unmade: { from, key: "id", scope },
    },
    tools: {
      get: { answer: { from: "things", key: "{id}", notFound: { text: "No {args.id|json}." }, ignore: ["verbose"] } },
      deep: { answer: { from: "things", key: "{by.id}" } },
      pair: {
        answer: {
          from: "pairs",
          key: ["{id}", "{place}"],
          with: {
            thing: { from: "things", key: "{id}", otherwise: { text: "No thing {args.id}." } },
            known: { from: "places", every: "name" },
            place: { from: "places", key: "{place}", otherwise: { text: "No {args.place}, but {known|join}." } },
          },
          notFound: { text: "{args.id} is not in {place.name}: {thing.in|keys} ({thing.n}).", isError: false },
        },
      },
      both: {
        answer: {
          from: "pairs",
          key: ["{id}", "{place}"],
          with: { thing: { from: "things", key: "{id}", otherwise: { text: "No thing." } } },
        },
        shape: { value: { pair: "{row}", thing: "{thing}", of: "{thing.in.x}" } },
      },
      early: { answer: { from: "unmade", key: "{id}" } },
      partly: {
        answer: {
          from: "things",
          key: "{id}",
          with: { other: { from: "unmade", key: "{id}" } },
          notFound: { text: "None." },
        },
      },
    },
  });
  const pair = { id: "a", place: { name: "x" }, deep: [1, { "2": null, "": "é\u2028" }] };
  await world.publish("things", [
    { id: "a", n: 1.5, in: { x: 1, y: 2 } },
    { id: 7, n: null },
    ...HOSTILE.filter((id) => id.length <= 512).map((id) => ({ id, hostile: true })),
  ]);
  await world.publish("pairs", [pair, { id: "b", place: { name: "x" } }]);
  await world.publish("places", [{ name: "y" }, { name: "x" }, { name: "Z" }]);

  test("a row is told as it came, with what is known of it", async () => {
    const json = '{"id":"a","n":1.5,"in":{"x":1,"y":2}}';
    expect(await world.call("get", { id: "a" })).toEqual({
      kind: "answer",
      result: {
        body: `"content":[{"type":"text","text":${JSON.stringify(json)}}],"structuredContent":${json}`,
        isError: false,
      },
      facts: {
        version: 1,
        asOf: AS_OF + 1,
        asOfs: [["things", AS_OF + 1]],
        feedId: "f",
        seq: 1,
        stopped: {},
        schemasHash: "",
        from: ["things"],
        keys: ["a"],
        row: json,
      },
    });
    expect(said(await world.call("get", { id: 7, verbose: [null] }))).toEqual({ id: 7, n: null });
    expect(said(await world.call("deep", { by: { id: "a" } }))).toMatchObject({ n: 1.5 });
    expect(said(await world.call("pair", { id: "a", place: "x" }))).toEqual(pair);
  });

  test("a row that is not there is refused in the operator's words, or left to the origin", async () => {
    const reply = await world.call("get", { id: 'A"' });
    expect(reply).toMatchObject({
      kind: "refusal",
      result: { isError: true },
      facts: { keys: ['A"'], from: ["things"] },
    });
    expect(reply).toMatchObject({
      result: { body: '"content":[{"type":"text","text":"No \\"A\\\\\\"\\"."}],"isError":true' },
    });
    expect(said(await world.call("deep", { by: { id: "A" } }))).toBe("not-found");
    for (const id of ["", "x".repeat(100_000), "a\u001fx"]) {
      expect(said(await world.call("get", { id }))).toBe(`refused: No ${JSON.stringify(id)}.`);
    }
  });

  test("what is not found is told in the order of what was looked up", async () => {
    expect(said(await world.call("pair", { id: "?", place: "?" }))).toBe("refused: No thing ?.");
    expect(said(await world.call("pair", { id: "a", place: "?" }))).toBe("refused: No ?, but Z, x, y.");
    const reply = await world.call("pair", { id: "a", place: "y" });
    expect(said(reply)).toBe("refused: a is not in y: x, y (1.5).");
    expect(reply).toMatchObject({ result: { isError: false }, facts: { from: ["pairs", "things", "places"] } });
    expect(reply).not.toHaveProperty("facts.row");
  });

  test("what the shape names is looked up for a row that is there too", async () => {
    const reply = await world.call("both", { id: "a", place: "x" });
    expect(said(reply)).toEqual({ pair, thing: { id: "a", n: 1.5, in: { x: 1, y: 2 } }, of: 1 });
    expect(reply).toMatchObject({ facts: { from: ["pairs", "things"] } });
    expect(said(await world.call("both", { id: "b", place: "x" }))).toBe("refused: No thing.");
    expect(said(await world.call("both", { id: "a", place: "y" }))).toBe("not-found");
  });

  test("what the rule does not go by is left to the origin", async () => {
    for (const args of [
      {},
      { id: null },
      { id: true },
      { id: ["a"] },
      { id: { a: 1 } },
      { id: "a\0" },
      { id: "\ud800" },
      { id: "a", more: 1 },
      { id: "a", ["__proto__"]: 1, constructor: 1 },
    ]) {
      expect([args, said(await world.call("get", args))]).toEqual([args, "not-covered"]);
    }
    for (const by of [{}, null, "a", [], ["id"], { id: "a", also: 1 }, { id: null }]) {
      expect([by, said(await world.call("deep", { by }))]).toEqual([by, "not-covered"]);
    }
    expect(said(await world.call("pair", { id: "a" }))).toBe("not-covered");
  });

  test("nothing in a key is anything but text", async () => {
    for (const id of HOSTILE) {
      const isThere = id.length <= 512;
      expect(said(await world.call("get", { id }))).toEqual(
        isThere ? { id, hostile: true } : `refused: No ${JSON.stringify(id)}.`,
      );
      expect(said(await world.call("pair", { id: "a", place: id }))).toBe(`refused: No ${id}, but Z, x, y.`);
    }
    expect(said(await world.call("get", { id: "a" }))).toMatchObject({ n: 1.5 });
  });

  test("a key of more than the database takes is a key that is not there", async () => {
    const long = `${"x".repeat(512)}${"\u{1F600}".repeat(1_500_000)}`;
    expect(said(await world.call("get", { id: long }, strict))).toBe(`refused: No ${JSON.stringify(long)}.`);
    expect(said(await world.call("pair", { id: "a", place: long }, strict))).toBe(`refused: No ${long}, but Z, x, y.`);
  });

  test("what has not been pulled yet says nothing", async () => {
    expect(said(await world.call("early", { id: "a" }))).toBe("not-synced");
    // Only where it is needed.
    expect(said(await world.call("partly", { id: "a" }))).toMatchObject({ n: 1.5 });
    expect(said(await world.call("partly", { id: "A" }))).toBe("not-synced");
    await world.prepare("unmade");
    expect(said(await world.call("early", { id: "a" }))).toBe("not-synced");
    expect(await readResource(world.db, "answer-key/none#0", ["read:a"])).toBe("not-synced");
    await world.publish("unmade", []);
    expect(said(await world.call("early", { id: "a" }))).toBe("not-found");
    expect(said(await world.call("partly", { id: "A" }))).toBe("refused: None.");
  });

  test("what else D1 says is thrown", async () => {
    await world.db.prepare(`ALTER TABLE "rows:${world.nameOf("unmade")}" RENAME COLUMN body TO was`).run();
    await expect(world.call("early", { id: "a" })).rejects.toThrow("no such column: r.body");
  });
});

test("a resource is read by its key, in the version of its page", async () => {
  const world = await mirrored("answer-resource", { resources: { "c://*": { mirror: { scope } } } });
  const name = world.nameOf("~resources");
  const body = (nth: number) => `"resources":[{"uri":"c://${nth}"}]`;
  await world.publish("~resources", [
    { key: "list:0", body: body(0) },
    { key: "list:1", body: body(1) },
    { key: "read:c://1", body: '"contents":[]' },
  ]);
  await world.publish("~resources", [{ key: "list:0", body: body(2) }]);
  expect(await readResource(world.db, name, ["read:c://1"], 1)).toMatchObject({
    facts: { version: 2, keys: ["read:c://1"], from: ["~resources"] },
    bodies: new Map([["read:c://1", '"contents":[]']]),
  });
  const pages = async (version?: number) => {
    const reply = await readResource(world.db, name, ["list:0", "list:1"], version);
    return typeof reply === "string" ? reply : [...reply.bodies];
  };
  expect(await pages()).toEqual([["list:0", body(2)]]);
  expect(await pages(1)).toEqual([
    ["list:0", body(0)],
    ["list:1", body(1)],
  ]);
  await world.keepFrom("~resources", 2);
  expect([await pages(1), await pages(3), await pages(0)]).toEqual(["bad-cursor", "bad-cursor", "bad-cursor"]);
});

test("a resource that no row can be of is not there, whatever text the database would make of it", async () => {
  const world = await mirrored("answer-unsound", { resources: { "c://*": { mirror: { scope } } } });
  await world.publish("~resources", [{ key: "read:c://\uFFFD", body: '"contents":[]' }]);
  for (const uri of ["c://\uD800", "c://\0", `c://${"x".repeat(2_100_000)}`]) {
    const reply = await readResource(strict, world.nameOf("~resources"), [`read:${uri}`]);
    expect(reply).toMatchObject({ bodies: new Map() });
  }
});
