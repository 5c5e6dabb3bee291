import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect, test } from "vitest";
import { MemoryStore } from "../../src/cache/MemoryStore.ts";
import type { Entry } from "../../src/cache/entry.ts";
import { addressOf, PUBLIC } from "../../src/cache/key.ts";
import { resolve } from "../../src/config/resolve.ts";
import { isOfTenant, tenantId } from "../../src/config/tenant.ts";
import { createApp } from "../../src/http/app.ts";
import { Health } from "../../src/http/health.ts";
import { Worlds, worldOf } from "../../src/http/Worlds.ts";
import type { Isolate } from "../../src/lanes/Exchange.ts";
import { Catalogue } from "../../src/mcp/Catalogue.ts";
import { emptyIsolate } from "./emptyIsolate.ts";

const objectOf = (id: string) => env.ORIGIN_SYNC.get(env.ORIGIN_SYNC.idFromName(id));
const replica = resolve({ origins: { a: { service: "S" }, b: { service: "S" } }, access: { open: true } });
const { settings } = replica.origins.get("a")!;
const pulseOf = (id: string) => ({ seq: 0, feedId: undefined, isolate: "i", origin: { ...settings, id } });

function setUp() {
  const isolate = { ...emptyIsolate(), sealKeys: new Map(), memory: new MemoryStore(1_000_000) } as unknown as Isolate;
  return { isolate, worlds: new Worlds(replica, isolate) };
}

test("a tenant's world is one for all its requests, and apart from every other", async () => {
  const { worlds } = setUp();
  const [a, b] = [worlds.get("a")!, worlds.get("b")!];
  const [first, second] = await Promise.all([worlds.ofTenant(a, "acme"), worlds.ofTenant(a, "acme")]);
  expect(first).toBe(second);
  // Once it is known, it is at once.
  expect(worlds.ofTenant(a, "acme")).toBe(first);
  const others = [await worlds.ofTenant(a, "globex"), await worlds.ofTenant(b, "acme"), a, b];
  const all = [first, ...others];
  expect(new Set(all.map(({ origin }) => origin.settings.id)).size).toBe(5);
  expect(new Set(all.map(({ feed }) => feed)).size).toBe(5);
  // What is counted, and how the origin is, is the origin's.
  expect([first.tally, first.feed.health]).toEqual([a.tally, a.feed.health]);
  expect(worlds.feedOf(first.origin.settings.id)).toBe(first.feed);
  expect([worlds.feedOf("a"), worlds.feedOf("a@0")]).toEqual([a.feed, undefined]);
  const { settings: its, ...policies } = first.origin;
  const { settings: own, ...others_ } = a.origin;
  expect([policies, { ...its, id: own.id }]).toEqual([others_, own]);
});

test.each([
  ["acme", "Acme"],
  ["acme", "acme "],
  ["\u00e9", "e\u0301"],
  ["a b", "a  b"],
  ["x".repeat(127), "x".repeat(128)],
  ["__proto__", "constructor"],
])("tenants that are called %j and %j are two", async (one, other) => {
  const ids = [await worldOf("a", one), await worldOf("a", other)];
  expect(ids[0]).not.toBe(ids[1]);
  for (const id of ids) expect(id).toMatch(/^a@[0-9a-f]{32}$/);
});

test.each(["", "x".repeat(129)])("a tenant that is called %j has none", async (tenant) => {
  const { worlds } = setUp();
  await expect(worlds.ofTenant(worlds.get("a")!, tenant)).rejects.toThrow("usable name");
});

test("of many tenants those used last are known, and of the rest nothing is left", async () => {
  const { worlds, isolate } = setUp();
  const a = worlds.get("a")!;
  const kept = await worlds.ofTenant(a, "kept");
  const lost = await worlds.ofTenant(a, "lost");
  const { id } = lost.origin.settings;
  const subject = { identity: "i", method: "tools/call", target: "t", variant: {}, capabilities: "{}" };
  const addresses = [id, kept.origin.settings.id].map((originId) => addressOf({ originId, ...subject }, PUBLIC)!);
  for (const address of addresses) await isolate.memory.put(address, { body: "", meta: "" } as Entry);
  isolate.catalogues.set(id, new Catalogue());
  isolate.suspectAt.set(`${id} tools/call`, { at: 0, targets: new Map(), turned: new Map() });
  isolate.suspectAt.set(`${id}0 tools/call`, { at: 0, targets: new Map(), turned: new Map() });
  for (let nth = 0; nth < 199; nth++) {
    await worlds.ofTenant(a, `${nth}`);
    expect(await worlds.ofTenant(a, "kept")).toBe(kept);
  }
  expect(worlds.feedOf(id)).toBeUndefined();
  expect(addresses.map((address) => isolate.memory.peek(address) === undefined)).toEqual([true, false]);
  expect([isolate.catalogues.size, [...isolate.suspectAt.keys()]]).toEqual([0, [`${id}0 tools/call`]]);
  // What the forgotten view has judged is not taken for judged by the new one.
  const again = await worlds.ofTenant(a, "lost");
  for (let nth = 0; nth < 1_000; nth++)
    again.feed.hear(again.feed.ask(), { feedId: `${nth}`, seq: 0, floor: 0, hardFloor: 0, changes: [] });
  expect(again.feed.version).toBeGreaterThan(lost.feed.version + 1_000);
  expect(again.feed.version).toBeLessThan(2 ** 53);
});

const knownAt = async (id: string) => [...(await objectOf(id).tenants()).ids];

test("a tenant's OriginSync is known to the origin's own before it answers anybody, once and for good", async () => {
  const ids = await Promise.all(["acme", "globex"].map((tenant) => worldOf("reg", tenant)));
  expect(await knownAt("reg")).toEqual([]);
  await Promise.all(ids.map((id) => objectOf(id).pulse(pulseOf(id))));
  expect((await knownAt("reg")).sort()).toEqual(ids.toSorted());
  await evictDurableObject(objectOf(ids[0]!));
  await objectOf(ids[0]!).sealKey();
  expect(await knownAt("reg")).toHaveLength(2);
  // No other than a tenant's is registered.
  expect(await knownAt(ids[0]!)).toEqual([ids[0]]);
  await objectOf("other").pulse(pulseOf("other"));
  expect(await knownAt("other")).toEqual([]);
});

test("feeds, tags, sessions and what seals them are a tenant's own", async () => {
  const [one, other] = (await Promise.all(["acme", "globex"].map((tenant) => worldOf("apart", tenant)))).map(objectOf);
  const since = { seq: 0, feedId: undefined };
  const told = await one!.invalidate(["thing"], {}, since);
  const untold = await other!.invalidate([], {}, since);
  expect([told.changes.length, untold.changes.length]).toEqual([1, 0]);
  expect(told.feedId).not.toBe(untold.feedId);
  expect(await one!.sealKey()).not.toBe(await other!.sealKey());
  await one!.endSession("s", 1_000, 0);
  expect([await one!.hasEnded("s"), await other!.hasEnded("s"), await objectOf("apart").hasEnded("s")]).toEqual([
    true,
    false,
    false,
  ]);
});

test("a tenant too many has no OriginSync, and costs the others nothing", async () => {
  const [first, last] = await Promise.all(["first", "last"].map((tenant) => worldOf("full", tenant)));
  await objectOf(first!).pulse(pulseOf(first!));
  await runInDurableObject(objectOf("full"), (_, { storage: { sql } }) => {
    for (let nth = 1; nth < 1_000; nth++) sql.exec("INSERT INTO tenant (id) VALUES (?)", tenantId("full", `${nth}`));
  });
  const refused = await objectOf(last!)
    .pulse(pulseOf(last!))
    .then(() => undefined, String);
  expect(refused).toContain("as many tenants as it can have");
  await evictDurableObject(objectOf(first!));
  expect(await objectOf(first!).pulse(pulseOf(first!))).toMatchObject({ seq: 0 });
  const known = await knownAt("full");
  expect((await objectOf("full").tenants()).areAll).toBe(false);
  expect([known.length, known.every(isOfTenant), known.includes(last!)]).toEqual([1_000, true, false]);
});

test("where all callers have tenants, the replica is ready with what is stored for one", async () => {
  const ready = resolve({ origins: { ready: { service: "NONE" } }, access: { open: true } });
  const readiness = async () => (await new Health(ready).readiness(env)).origins["ready"];
  const id = await worldOf("ready", "acme");
  const { KV } = env as { KV: KVNamespace };
  await KV.put(`e1/${id}/tools/list/public/x`, "");
  expect(await readiness()).toEqual({ reachable: false, stored: false });
  await KV.put(`e1/${id}/server/discover/public/x`, "");
  expect(await readiness()).toEqual({ reachable: false, stored: true });
});

test("a purge that does not reach a tenant says so, and has reached the others", async () => {
  const told = resolve({ origins: { told: { service: "S" } }, access: { open: true } });
  const ids = await Promise.all(["first", "second", "third"].map((tenant) => worldOf("told", tenant)));
  for (const id of ids) await objectOf(id).pulse(pulseOf(id));
  let lost: string | undefined = ids[1];
  const invalidate = async () => {
    throw new Error("it is not there");
  };
  const objects = {
    idFromName: (name: string) => (name === lost ? name : env.ORIGIN_SYNC.idFromName(name)),
    get: (id: DurableObjectId | string) => (typeof id === "string" ? { invalidate } : env.ORIGIN_SYNC.get(id)),
  };
  const world = { ...env, ORIGIN_SYNC: objects } as unknown as Cloudflare.Env;
  const app = createApp(told, () => {});
  const purge = async () => {
    const request = new Request("http://127.0.0.1/admin/purge", { method: "POST", body: '{"tags":["thing"]}' });
    const response = await app.fetch(request, world, {} as ExecutionContext);
    return [response.status, JSON.stringify(await response.json())];
  };
  const seqs = () => Promise.all(ids.map(async (id) => (await objectOf(id).totals({ isolate: "i" })).feed.seq));
  const [status, text] = await purge();
  expect([status, text]).toEqual([503, expect.stringContaining("1 of 3 tenants were not told")]);
  expect(await seqs()).toEqual([1, 0, 1]);
  lost = undefined;
  expect((await purge())[0]).toBe(200);
  expect(await seqs()).toEqual([2, 1, 2]);
  // Whom nobody knows, nobody can tell: whoever purges has to know that.
  await runInDurableObject(
    objectOf("told"),
    (_, { storage: { sql } }) => void sql.exec("INSERT INTO tenant (id) VALUES (?)", ""),
  );
  expect(await purge()).toEqual([503, expect.stringContaining("there are others, more than the replica can know")]);
});
