import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, test } from "vitest";
import { resolve } from "../../src/config/resolve.ts";
import type { Since } from "../../src/sync/Feed.ts";

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
    expect(first).toEqual({ feedId: expect.any(String), seq: 0, floor: 0, hardFloor: 0, changes: [], announced: [] });
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
    expect(news).toMatchObject({ seq: 0, changes: [], announced: [] });
    expect(news.feedId).not.toBe(feedId);
  });
});
