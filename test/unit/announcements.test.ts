import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { resolve } from "../../src/config/resolve.ts";
import { Announcements } from "../../src/sync/Announcements.ts";

let objects = 0;
const newObject = () => env.ORIGIN_SYNC.get(env.ORIGIN_SYNC.idFromName(`announced ${++objects}`));

/** Works with the storage of an object. */
const withSql = <T>(work: (sql: SqlStorage) => T | Promise<T>) =>
  runInDurableObject(newObject(), (_, { storage }) => work(storage.sql));

describe("announcements", () => {
  test("are told until they are concluded, a tag of several until the last is", () =>
    withSql((sql) => {
      const writes = new Announcements(sql);
      expect([writes.tags, writes.dueAt()]).toEqual([[], undefined]);
      writes.announce("1", ["a", "b"], 100);
      writes.announce("2", ["b"], 50);
      expect([writes.tags, writes.dueAt()]).toEqual([["a", "b"], 50]);
      writes.conclude("2");
      writes.conclude("2");
      expect([writes.tags, writes.dueAt()]).toEqual([["a", "b"], 100]);
      writes.conclude("1");
      writes.conclude("none");
      expect([writes.tags, writes.dueAt()]).toEqual([[], undefined]);
    }));

  test("lapse when nothing more is heard of them, and not before", () =>
    withSql((sql) => {
      const writes = new Announcements(sql);
      writes.announce("1", ["a"], 100);
      writes.announce("2", ["b"], 100);
      writes.announce("2", ["b"], 200);
      expect(writes.lapse(99)).toEqual([]);
      expect(writes.lapse(100)).toEqual(["a"]);
      expect(writes.tags).toEqual(["b"]);
      expect(writes.lapse(150)).toEqual([]);
      expect(writes.lapse(200)).toEqual(["b"]);
    }));

  test("are so many and no more; what is announced goes on all the same", () =>
    withSql((sql) => {
      const writes = new Announcements(sql, { writes: 2, characters: 100 });
      expect([1, 2, 3].map((nth) => writes.announce(`${nth}`, ["a"], 1))).toEqual([true, true, false]);
      expect(writes.announce("2", ["a"], 9)).toBe(true);
      writes.conclude("1");
      expect(writes.announce("long", ["a".repeat(100)], 1)).toBe(false);
      expect(writes.announce("3", ["a"], 1)).toBe(true);
    }));

  test("with very many tags are told as all of the origin", () =>
    withSql((sql) => {
      const writes = new Announcements(sql);
      for (let nth = 0; nth < 1_000; nth++) writes.announce(`${nth}`, [`t${nth}`], 1);
      expect(writes.tags).toHaveLength(1_000);
      writes.announce("one more", ["one more"], 1);
      expect(writes.tags).toEqual(["origin"]);
      expect(writes.lapse(1)).toHaveLength(1_001);
      expect(writes.tags).toEqual([]);
    }));

  test("are the same after the object has been lost, whatever was announced", () =>
    withSql((sql) => {
      const id = fc.constantFrom("1", "2", "3");
      const step = fc.oneof(
        fc.record({ id, tags: fc.array(fc.constantFrom("a", "b", "c"), { maxLength: 3 }), until: fc.nat(100) }),
        id,
        fc.nat(100),
      );
      fc.assert(
        fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
          sql.exec("DELETE FROM announcement");
          const writes = new Announcements(sql);
          const model = new Map<string, { tags: string[]; until: number }>();
          for (const one of steps) {
            if (typeof one === "string") {
              writes.conclude(one);
              model.delete(one);
            } else if (typeof one === "number") {
              writes.lapse(one);
              for (const [id, { until }] of model) if (until <= one) model.delete(id);
            } else {
              writes.announce(one.id, one.tags, one.until);
              model.set(one.id, one);
            }
          }
          const open = [...model.values()];
          const due = open.length === 0 ? undefined : Math.min(...open.map(({ until }) => until));
          for (const kept of [writes, new Announcements(sql)]) {
            expect(new Set(kept.tags)).toEqual(new Set(open.flatMap(({ tags }) => tags)));
            expect(kept.dueAt()).toBe(due);
          }
        }),
        { numRuns: 300 },
      );
    }));
});

describe("an OriginSync", () => {
  const NOTHING = { seq: 0, feedId: undefined };
  const { settings } = resolve({ origins: { o: { service: "S" } } }).origins.get("o")!;
  const request = { ...NOTHING, isolate: "i", origin: settings };
  const put = { id: "1", tags: ["a"], lapseMs: 60_000 };

  test("tells who asks what is being written, until it is over", async () => {
    const object = newObject();
    expect(await object.announce(put, NOTHING)).toMatchObject({ isAnnounced: true, announced: ["a"], seq: 0 });
    expect(await object.pulse(request)).toMatchObject({ announced: ["a"] });
    const over = await object.conclude({ ...put, isApplied: true }, NOTHING);
    expect(over).toMatchObject({ announced: [], seq: 1, changes: [{ tag: "a", seq: 1, hard: 0, told: 0 }] });
  });

  test("invalidates nothing for a write that has changed nothing", async () => {
    const object = newObject();
    await object.announce(put, NOTHING);
    expect(await object.conclude({ ...put, isApplied: false }, NOTHING)).toMatchObject({ announced: [], seq: 0 });
  });

  test("invalidates what a write has changed of which it knows nothing any more", async () => {
    expect(await newObject().conclude({ ...put, isApplied: true }, NOTHING)).toMatchObject({ announced: [], seq: 1 });
  });

  test("forgets no write when it is lost, and invalidates what it may have changed when it lapses", async () => {
    const object = newObject();
    await object.announce({ ...put, lapseMs: 0 }, NOTHING);
    const later = newObject();
    await later.announce(put, NOTHING);
    await evictDurableObject(later);
    expect(await later.pulse(request)).toMatchObject({ announced: ["a"], seq: 0 });
    // The alarm is early or late: what counts is the time.
    expect(await runDurableObjectAlarm(later)).toBe(true);
    expect(await later.pulse(request)).toMatchObject({ announced: ["a"], seq: 0 });
    expect(await object.pulse(request)).toMatchObject({ announced: [], seq: 1 });
  });

  test("does so by itself, where nobody asks", async () => {
    const object = newObject();
    await object.announce(put, NOTHING);
    await runInDurableObject(object, async (_, { storage }) => {
      expect(await storage.getAlarm()).toBeGreaterThan(Date.now());
      storage.sql.exec("UPDATE announcement SET until = 1");
    });
    await evictDurableObject(object);
    expect(await runDurableObjectAlarm(object)).toBe(true);
    await runInDurableObject(object, (_, { storage }) => {
      expect(storage.sql.exec("SELECT * FROM announcement").toArray()).toEqual([]);
      expect(storage.sql.exec("SELECT tag, seq FROM feed_row").toArray()).toEqual([{ tag: "a", seq: 1 }]);
    });
  });

  test("says so where there is no room", async () => {
    const object = newObject();
    const long = { id: "long", tags: Array.from({ length: 9_000 }, (_, nth) => `${nth}`.padEnd(512)), lapseMs: 1 };
    expect(await object.announce(long, NOTHING)).toMatchObject({ isAnnounced: false, announced: [] });
  });
});
