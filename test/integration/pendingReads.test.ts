import { afterAll, beforeAll, expect, test } from "vitest";
import type { CacheConfig, ToolConfig } from "../../src/config/types.ts";
import { Fixture, tool } from "./support/fixture.ts";
import { type Ear, listen } from "./support/listening.ts";
import { type Replica, seed, startReplica } from "./support/replica.ts";
import { call, codeOf, type Got, legacyCall, modern } from "./support/wire.ts";

const SOON = { timeout: 10_000 };
const cache: CacheConfig = { ttl: "1h", staleIfError: "1h", scope: "public", tags: ["thing:{id}"] };
const kept: ToolConfig = { cache, consistency: "bounded" };
const choosy: ToolConfig = { ...kept, readPending: "refuse" };

const origin = new Fixture();
const things = new Map([["a", 1]]);
let replica: Replica;
let ear: Ear | undefined;

beforeAll(async () => {
  await origin.start();
  const names = ["look", "choosy", "careful", "old", "old_choosy", "get_thing", "list_things", "set_thing"];
  origin.tools = names.map((name) => tool(name, { annotations: { readOnlyHint: true } }));
  const said = (value: object) => ({ result: { content: [{ type: "text", text: "" }], structuredContent: value } });
  const rowOf = (id: string) => ({ id, n: things.get(id) });
  origin.on("tools/call", ({ params }) => said(rowOf(params.arguments.id)));
  origin.on("tools/call list_things", () => said({ things: [...things.keys()].map(rowOf) }));
  origin.on("tools/call set_thing", ({ params }) => {
    things.set(params.arguments.id, params.arguments.n);
    return said({});
  });
  origin.on("resources/read", ({ name }) => ({
    result: { contents: [{ uri: name, text: `${things.get("a")}` }], ttlMs: 0, cacheScope: "public" },
  }));
  replica = await startReplica(
    {
      origins: {
        o: {
          url: origin.url,
          default: true,
          sync: { pulse: "250ms" },
          collections: {
            things: {
              from: { tool: "list_things", rows: "/things" },
              key: "id",
              tags: ["thing:{id}"],
              row: { tool: "get_thing", arguments: { id: "{id}" } },
              scope: "public",
            },
          },
          tools: {
            look: kept,
            choosy,
            careful: { cache, consistency: "strict" },
            old: kept,
            old_choosy: choosy,
            get_thing: { answer: { from: "things", key: "{id}" }, consistency: "bounded" },
            set_thing: {
              write: { queue: "when-down", invalidates: ["thing:{id}", "resource:doc://{id}"], unlessTask: "notify" },
            },
          },
          resources: { "doc://*": { cache: { ttl: "1h", scope: "public" }, consistency: "bounded" } },
        },
      },
    },
    { instances: 2 },
  );
});
afterAll(async () => {
  ear?.leave();
  await replica?.close();
  await origin.stop();
});

const A = { id: "a" };
const at = (nth: number) => `${replica.urls[nth]}/mcp`;
/** From where the answer is, and how many writes it lacks; or the error's code. */
function lackIn(got: Got): unknown {
  const { pendingWrites } = (got.cache ?? {}) as { pendingWrites?: number };
  return codeOf(got) ?? [/detail=([\w-]+)/.exec(got.headers["cache-status"] ?? "")?.[1], pendingWrites];
}
const lack = async (name: string, nth = 0) => lackIn(await call(at(nth), name, A));
const saidBy = async (name: string, nth: number) => (await call(at(nth), name, A)).body.result.structuredContent?.n;

test("two Workers say what their answers lack while a write is queued, or refuse them, and forget it when it was sent", async () => {
  for (const name of ["look", "choosy", "careful"]) await call(at(0), name, A);
  await modern(at(1), "resources/read", { uri: "doc://a" });
  ear = await listen(at(1), { resourceSubscriptions: ["doc://a"] });
  await ear.heard(1);
  await expect.poll(() => lack("get_thing"), SOON).toEqual(["mirror", undefined]);
  const entry = { scope: "public", ttlMs: 1_000, staleIfErrorMs: 3_600_000, tags: ["thing:a"] } as const;
  for (const target of ["old", "old_choosy"]) await seed(replica, { target, variant: A, ageMs: 60_000, entry });

  await origin.stop();
  expect(codeOf(await call(at(0), "set_thing", { ...A, n: 2 }))).toBe("write_queued");
  // Strict readers know at once, and are given what nothing speaks against.
  for (const nth of [0, 1]) expect(await lack("careful", nth)).toMatchObject({ 1: 1 });
  for (const nth of [0, 1]) await expect.poll(() => lack("look", nth), SOON).toMatchObject({ 1: 1 });
  const ofWorker = async (nth: number) => Promise.all(["get_thing", "old"].map((name) => lack(name, nth)));
  for (const nth of [0, 1]) {
    expect(await ofWorker(nth)).toEqual([
      ["mirror", 1],
      ["stale-if-error", 1],
    ]);
    expect([await lack("choosy", nth), await lack("old_choosy", nth)]).toEqual(["pending_writes", "pending_writes"]);
  }
  const refused = await call(at(0), "choosy", A);
  expect(refused.body.result._meta["edge-replica/error"].retryAfterMs).toBeGreaterThanOrEqual(1_000);
  expect(lackIn(await legacyCall(at(0), "look", A))).toEqual(["memory", 1]);
  // Another write of the same: both are told.
  expect(codeOf(await call(at(1), "set_thing", { ...A, n: 3 }))).toBe("write_queued");
  await expect.poll(() => lack("look", 1), SOON).toMatchObject({ 1: 2 });
  expect(origin.count("tools/call", "set_thing")).toBe(0);

  origin.seen = [];
  await origin.start();
  await expect.poll(() => things.get("a"), SOON).toBe(3);
  // Nor are they ever given the old value again.
  for (const nth of [0, 1]) expect(await saidBy("careful", nth)).toBe(3);
  await ear.until(() => ear!.told().includes("doc://a"));
  for (const nth of [0, 1]) {
    for (const name of ["look", "choosy", "careful", "get_thing"]) {
      await expect.poll(() => saidBy(name, nth), SOON).toBe(3);
      await expect.poll(() => lack(name, nth), SOON).toMatchObject({ 1: undefined });
    }
  }
  await expect.poll(() => lack("get_thing"), SOON).toEqual(["mirror", undefined]);
  expect(origin.count("tools/call", "set_thing")).toBe(2);
  // The mirror has asked for the one row again, and has not been pulled.
  expect(origin.count("tools/call", "list_things")).toBe(0);
});
