import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, test } from "vitest";
import { resolve } from "../../src/config/resolve.ts";
import { Deliveries } from "../../src/sync/Deliveries.ts";
import type { Since } from "../../src/sync/Feed.ts";
import { KeptTotals } from "../../src/sync/KeptTotals.ts";
import type { OriginTotals } from "../../src/sync/OriginTotals.ts";
import { Tally } from "../../src/telemetry/Tally.ts";
import type { Interest } from "../../src/sync/Pulse.ts";
import type { Sighting } from "../../src/sync/Sighting.ts";

const objectOf = (name: string) => env.ORIGIN_SYNC.get(env.ORIGIN_SYNC.idFromName(`sync ${name}`));
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

const NOTHING = { seq: 0, feedId: undefined };
const { settings } = resolve({ origins: { o: { service: "S" } } }).origins.get("o")!;
const pulse = (since: Since) => ({ ...since, isolate: "i", origin: settings });

describe("what isolates have counted", () => {
  /** So many pings, as the part of that number. */
  const pings = (nth: number, count: number) => {
    const tally = new Tally(() => undefined);
    const ping = {
      method: "ping",
      target: null,
      result: "local",
      durationMs: 0,
      ageMs: undefined,
      isSaved: false,
    } as const;
    for (let time = 0; time < count; time++) tally.count(ping);
    return { ...tally.take()!, nth };
  };
  const pingsIn = ({ counted }: OriginTotals) => counted.operations[0]?.counts.local;

  test("is added up over them, once where it is told again", async () => {
    const object = objectOf("j");
    const { counted } = await object.totals({ isolate: "x" });
    expect(counted).toMatchObject({ pulses: 0, operations: [] });
    for (const isolate of ["a", "b", "a"]) {
      await object.pulse({ ...pulse(NOTHING), isolate, tally: pings(1, 2), vitals: { active: 1, lagMs: 7 } });
    }
    // An isolate of an earlier version has nothing to say.
    await object.pulse({ ...pulse(NOTHING), isolate: "c" });
    const totals = await object.totals({ isolate: "a", tally: pings(2, 5) });
    expect([pingsIn(totals), totals.counted.pulses]).toEqual([9, 4]);
    expect(totals.isolates).toEqual({ count: 3, active: 2, lagMs: 7 });
    expect(totals.feed).toEqual({ feedId: expect.any(String), seq: 0, tags: 0 });
  });

  test("is there after the object, once it was shown", async () => {
    const object = objectOf("k");
    await object.pulse({ ...pulse(NOTHING), tally: pings(1, 3) });
    const shown = await object.totals({ isolate: "x" });
    await evictDurableObject(object);
    const again = await objectOf("k").totals({ isolate: "x" });
    expect([pingsIn(again), again.counted]).toEqual([3, shown.counted]);
  });

  test("has the alarm set to write it, where nobody looks", async () => {
    const object = objectOf("l");
    const alarm = () => runInDurableObject(object, (_, { storage }) => storage.getAlarm());
    await object.pulse({ ...pulse(NOTHING), tally: pings(1, 3) });
    const first = (await alarm())!;
    expect(first - Date.now()).toBeGreaterThan(30_000);
    for (let nth = 2; nth < 10; nth++) await object.pulse({ ...pulse(NOTHING), tally: pings(nth, 1) });
    expect(await alarm()).toBe(first);
  });

  test("is written once a minute, while there is something new", async () => {
    await runInDurableObject(objectOf("l2"), async (_, { storage: { sql } }) => {
      const written = () => sql.exec("SELECT value FROM totals").toArray().length;
      const totals = new KeptTotals(sql, 0);
      expect(totals.dueAt()).toBeUndefined();
      for (const nth of [1, 2, 3]) totals.pulse({ ...pulse(NOTHING), tally: pings(nth, 1) }, nth * 1_000);
      expect([totals.dueAt(), written()]).toEqual([61_000, 0]);
      await totals.run();
      expect([totals.dueAt(), written()]).toEqual([undefined, 1]);
      expect(new KeptTotals(sql, 99).show({ isolate: "x" }, 0).counted).toEqual(
        totals.show({ isolate: "x" }, 0).counted,
      );
      totals.pulse(pulse(NOTHING), 70_000);
      expect(totals.dueAt()).toBe(130_000);
    });
  });

  test.each([
    ["lost", "DELETE FROM totals"],
    ["of another version", `UPDATE totals SET value = '{"v":0}'`],
    ["no JSON", "UPDATE totals SET value = '{'"],
  ])("begins anew where what was kept is %s", async (what, statement) => {
    const object = objectOf(`m ${what}`);
    await object.pulse({ ...pulse(NOTHING), tally: pings(1, 3) });
    await object.totals({ isolate: "x" });
    await runInDurableObject(object, (_, { storage }) => void storage.sql.exec(statement));
    await evictDurableObject(object);
    const totals = await objectOf(`m ${what}`).totals({ isolate: "x" });
    expect(totals.counted).toMatchObject({ pulses: 0, operations: [], saved: 0 });
  });
});

describe("the feed", () => {
  test("is the same for all who ask, and another at each origin", async () => {
    const [first, second] = [await objectOf("e").pulse(pulse(NOTHING)), await objectOf("e").pulse(pulse(NOTHING))];
    expect(second).toEqual(first);
    expect(first).toEqual({
      feedId: expect.any(String),
      seq: 0,
      floor: 0,
      hardFloor: 0,
      changes: [],
      announced: [],
      health: { state: "up", since: expect.any(Number) },
    });
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

describe("a delivery", () => {
  const NOTHING = { seq: 0, feedId: undefined };
  const MINUTE_MS = 60_000;
  const delivery = (id: string, more: object = {}) => ({
    id,
    until: Date.now() + 5 * MINUTE_MS,
    tags: ["a"],
    hard: false,
    ...more,
  });

  test("is heeded once, also by an object that began anew meanwhile", async () => {
    const first = await objectOf("w1").deliver(delivery("m"), NOTHING);
    expect(first).toMatchObject({ seq: 1, delivery: { taken: "new" }, changes: [{ tag: "a", seq: 1, hard: 0 }] });
    await evictDurableObject(objectOf("w1"));
    const again = await objectOf("w1").deliver(delivery("m", { hard: true }), NOTHING);
    expect(again).toMatchObject({ seq: 1, delivery: { taken: "duplicate" }, changes: [{ tag: "a", hard: 0 }] });
    const other = await objectOf("w1").deliver(delivery("n", { hard: true }), NOTHING);
    expect(other).toMatchObject({ seq: 2, delivery: { taken: "new" }, changes: [{ tag: "a", seq: 2, hard: 2 }] });
  });

  test("is heeded by each object for itself", async () => {
    await objectOf("w2").deliver(delivery("m"), NOTHING);
    expect((await objectOf("w3").deliver(delivery("m"), NOTHING)).delivery.taken).toBe("new");
  });

  test("more of them than there may be are refused, and may come again", async () => {
    const object = objectOf("w4");
    const taken: string[] = [];
    for (let nth = 0; nth < 70; nth++) taken.push((await object.deliver(delivery(`m${nth}`), NOTHING)).delivery.taken);
    expect(taken.slice(0, 60)).toEqual(Array.from({ length: 60 }, () => "new"));
    const refused = taken.indexOf("refused");
    expect(refused).toBeGreaterThanOrEqual(60);
    // Nothing of it is remembered, and those that were heeded are known as such.
    await evictDurableObject(object);
    expect((await objectOf("w4").deliver(delivery(`m${refused}`), NOTHING)).delivery.taken).toBe("new");
    expect((await objectOf("w4").deliver(delivery("m0"), NOTHING)).delivery.taken).toBe("duplicate");
  });
});

describe("the deliveries that are remembered", () => {
  const AT = 1_000_000;
  const inObject = (name: string, act: (sql: SqlStorage) => void) =>
    runInDurableObject(objectOf(name), (_, { storage }) => act(storage.sql));
  const many = { rate: { burst: 1_000, perSecond: 1 } };

  test("are so until no clock would take them any more, the last time that they were sent counting", () =>
    inObject("w5", (sql) => {
      const deliveries = new Deliveries(sql, many);
      const send = (until: number, now: number) => deliveries.take({ id: "m", until }, now).taken;
      expect(send(AT, AT)).toBe("new");
      expect(send(AT + 100_000, AT + 60_000)).toBe("duplicate");
      expect(send(AT, AT + 60_001)).toBe("duplicate");
      expect(send(AT, AT + 160_000)).toBe("duplicate");
      expect(send(AT, AT + 160_001)).toBe("new");
    }));

  test("are never forgotten for others: where there are too many, the next is refused until one lapses", () =>
    inObject("w6", (sql) => {
      const deliveries = new Deliveries(sql, { ...many, capacity: 3 });
      const send = (id: string, now = AT) => deliveries.take({ id, until: AT + Number(id) }, now);
      expect(["1", "2", "3"].map((id) => send(id).taken)).toEqual(["new", "new", "new"]);
      const refused = send("4");
      expect(refused).toEqual({ taken: "refused", retryAfterMs: 60_002 });
      expect(send("1").taken).toBe("duplicate");
      expect(send("4", AT + 60_001).taken).toBe("refused");
      expect(send("4", AT + 60_002).taken).toBe("new");
    }));
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
    const toolChanges = async () => (await objectOf("sight 2").totals({ isolate: "i" })).toolChanges;
    expect(await toolChanges()).toEqual([{ at: expect.any(Number), ...tools }]);
    for (let nth = 0; nth < 25; nth++) {
      const one = sighting("list:tools", { tools: { ...tools, added: [`t${nth}`] }, before: `${nth}`, after: "c" });
      await object.sight([{ ...one, principal: "ann" }], START);
    }
    await evictDurableObject(object);
    expect((await toolChanges()).map(({ added }) => added[0])).toEqual(
      Array.from({ length: 20 }, (_, nth) => `t${24 - nth}`),
    );
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
    // Which writes what was counted.
    expect((await object.totals({ isolate: "i" })).listen).toMatchObject({ state: "refused" });
    // It goes off, finds that it is not time yet, and is armed again.
    expect(await runDurableObjectAlarm(object)).toBe(true);
    const at = await runInDurableObject(object, (_, { storage }) => storage.getAlarm());
    expect(at! - Date.now()).toBeGreaterThan(110_000);
    expect(at! - Date.now()).toBeLessThanOrEqual(120_000);
  });
});
