import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, test } from "vitest";
import { resolve } from "../../src/config/resolve.ts";
import type { Since } from "../../src/sync/Feed.ts";
import type { Interest } from "../../src/sync/Pulse.ts";
import type { Sighting } from "../../src/sync/Sighting.ts";

const objectOf = (name: string) => env.ORIGIN_SYNC.get(env.ORIGIN_SYNC.idFromName(name));
const DAY_MS = 86_400_000;

test("the key that seals is made once", async () => {
  const [first, ...others] = await Promise.all([1, 2, 3].map(() => objectOf("a").sealKey()));
  expect(Uint8Array.fromBase64(first!)).toHaveLength(32);
  expect(new Set(others)).toEqual(new Set([first]));
  expect(await objectOf("b").sealKey()).not.toBe(first);
});

test("a session that has ended is remembered as long as its id would be valid", async () => {
  const object = objectOf("c");
  await object.endSession("s", DAY_MS, 0);
  expect([await object.hasEnded("s"), await object.hasEnded("t")]).toEqual([true, false]);
  await object.endSession("t", 3 * DAY_MS, DAY_MS);
  expect(await object.hasEnded("s")).toBe(true);
  await object.endSession("u", 3 * DAY_MS, DAY_MS + 1);
  expect([await object.hasEnded("s"), await object.hasEnded("t")]).toEqual([false, true]);
});

test("however many have ended, the next end looks at few of them", async () => {
  await runInDurableObject(objectOf("d"), async (object, { storage }) => {
    for (let nth = 0; nth < 500; nth++) {
      storage.sql.exec("INSERT INTO ended_session (name, until) VALUES (?, ?)", `s${nth}`, DAY_MS);
    }
    const { sql } = storage;
    const exec = sql.exec.bind(sql);
    let read = 0;
    const counted = (query: string, ...bindings: SqlStorageValue[]) => {
      const cursor = exec(query, ...bindings);
      cursor.toArray();
      read += cursor.rowsRead;
      return cursor;
    };
    sql.exec = counted as typeof exec;
    await object.endSession("another", DAY_MS, 1);
    expect(read).toBeLessThan(10);
  });
});

describe("the feed", () => {
  const NOTHING = { seq: 0, feedId: undefined };
  const { settings } = resolve({ origins: { o: { service: "S" } } }).origins.get("o")!;
  const pulse = (since: Since) => ({ ...since, isolate: "i", origin: settings });

  test("is the same for all who ask, and another at each origin", async () => {
    const [first, second] = [await objectOf("e").pulse(pulse(NOTHING)), await objectOf("e").pulse(pulse(NOTHING))];
    expect(second).toEqual(first);
    expect(first).toEqual({ feedId: expect.any(String), seq: 0, floor: 0, hardFloor: 0, changes: [] });
    expect((await objectOf("f").pulse(pulse(NOTHING))).feedId).not.toBe(first.feedId);
  });

  test("tells who invalidates, and who asks, what has changed since what they know", async () => {
    const object = objectOf("g");
    const { feedId } = await object.invalidate(["a", "b"], {}, NOTHING);
    const news = await object.invalidate(["c"], { hard: true }, { seq: 1, feedId });
    expect(news.changes).toEqual([{ tag: "c", seq: 2, hard: 2, told: 0 }]);
    expect(await object.pulse(pulse({ seq: 1, feedId }))).toEqual(news);
    expect((await object.pulse(pulse(NOTHING))).changes.map(({ tag }) => tag)).toEqual(["a", "b", "c"]);
  });

  test("survives the object, with its floor", async () => {
    const object = objectOf("h");
    const many = Array.from({ length: 10_001 }, (_, nth) => `t${nth}`);
    await object.invalidate(["hard"], { hard: true }, NOTHING);
    await object.invalidate(many, {}, NOTHING);
    const before = await object.pulse(pulse(NOTHING));
    expect(before).toMatchObject({ seq: 2, floor: 2, hardFloor: 1 });
    await evictDurableObject(object);
    const after = await objectOf("h").pulse(pulse(NOTHING));
    expect(after).toMatchObject({ feedId: before.feedId, seq: 2, floor: 2, hardFloor: 1 });
    expect(new Set(after.changes.map(({ tag }) => tag))).toEqual(new Set(many.slice(1)));
  });

  test("begins anew, under another name, where its storage is lost", async () => {
    const object = objectOf("i");
    const { feedId } = await object.invalidate(["a"], {}, NOTHING);
    await runInDurableObject(object, (_, { storage }) => storage.deleteAll());
    await evictDurableObject(object);
    const news = await objectOf("i").pulse(pulse({ seq: 1, feedId }));
    expect(news).toMatchObject({ seq: 0, changes: [] });
    expect(news.feedId).not.toBe(feedId);
  });
});

describe("what isolates see change", () => {
  const START = { seq: 0, feedId: undefined };
  const { settings } = resolve({ origins: { o: { service: "S" } } }).origins.get("o")!;
  const sighting = (tag: string, more: Partial<Sighting> = {}): Sighting => ({
    tag,
    before: "a",
    after: "b",
    replacedAt: 1,
    isListened: false,
    ...more,
  });
  const tools = { added: ["new"], removed: [], changed: ["other"] };

  test("is told of where somebody listens, or where it is a list of everybody's", async () => {
    const object = objectOf("sight 1");
    const interest: Interest = { wantsListen: false, lists: ["prompts"], uris: ["x://1"] };
    const { listened } = await object.pulse({ ...START, isolate: "i", origin: settings, interest });
    expect(listened).toEqual({ lists: ["prompts"], resources: true });
    const sightings = [
      sighting("resource:x://2"),
      sighting("list:tools", { principal: "ann" }),
      sighting("list:tools"),
      sighting("resource:x://1"),
      sighting("resource:x://3", { isListened: true }),
      sighting("list:prompts", { principal: "ann" }),
    ];
    const { changes, seq } = await object.sight(sightings, START);
    expect(seq).toBe(4);
    expect(changes.map(({ tag, told }) => [tag, told])).toEqual([
      ["list:tools", 1],
      ["resource:x://1", 2],
      ["resource:x://3", 3],
      ["@ann list:prompts", 4],
    ]);
  });

  test("among the tools is remembered, once for all who see it, and the latest only", async () => {
    const object = objectOf("sight 2");
    for (let time = 0; time < 2; time++) await object.sight([sighting("list:tools", { tools })], START);
    expect(await object.toolChanges()).toEqual([{ at: expect.any(Number), ...tools }]);
    for (let nth = 0; nth < 25; nth++) {
      const one = sighting("list:tools", { tools: { ...tools, added: [`t${nth}`] }, before: `${nth}`, after: "c" });
      await object.sight([{ ...one, principal: "ann" }], START);
    }
    await evictDurableObject(object);
    const changes = await objectOf("sight 2").toolChanges();
    expect(changes.map(({ added }) => added[0])).toEqual(Array.from({ length: 20 }, (_, nth) => `t${24 - nth}`));
  });

  test("is told of once, though the object was lost in between", async () => {
    const object = objectOf("sight 3");
    const { feedId } = await object.sight([sighting("list:tools")], START);
    await evictDurableObject(object);
    const again = [sighting("list:tools", { replaced: { feedId, seq: 0 }, asked: { feedId, seq: 0 } })];
    expect(await objectOf("sight 3").sight(again, START)).toMatchObject({ seq: 1, toldAt: [1] });
  });

  test("a pulse arms the alarm that ends listening when there are none any more", async () => {
    const object = objectOf("sight 4");
    const interest: Interest = { wantsListen: true, modern: true, lists: [], uris: [] };
    await object.pulse({ ...START, isolate: "i", origin: settings, interest });
    const at = await runInDurableObject(object, (_, { storage }) => storage.getAlarm());
    expect(at! - Date.now()).toBeGreaterThan(110_000);
    expect(at! - Date.now()).toBeLessThanOrEqual(120_000);
    expect(await object.listening()).toMatchObject({ state: "refused" });
    // It goes off, finds that it is not time yet, and is armed again.
    expect(await runDurableObjectAlarm(object)).toBe(true);
    expect(await runInDurableObject(object, (_, { storage }) => storage.getAlarm())).toBe(at);
  });
});
