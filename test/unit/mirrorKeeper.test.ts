import { env } from "cloudflare:workers";
import { describe, expect, test } from "vitest";
import { EVERY_MS, keeping, MINUTE_MS, type KeptWorld } from "./support/KeptWorld.ts";

const DAY_MS = 86_400_000;
const pagesIn = (asked: readonly string[]) => asked.filter((one) => one.startsWith("page")).length;

describe("a mirror that is woken", () => {
  test("is pulled at once, then on schedule, and says how it stands", () =>
    keeping(async (world) => {
      expect(world.keeper.status()).toBeUndefined();
      await world.wake();
      expect(world.status).toMatchObject({ version: 0, asOf: null, nextAt: world.now, pulled: null });
      const begun = world.now;
      await world.settle();
      expect(await world.rows()).toEqual(world.things);
      expect(world.status).toMatchObject({ origin: "kept", collection: "things", version: 1, rows: 5, asOf: begun });
      expect(world.status).toMatchObject({ pulling: null, failed: null, nextAt: begun + EVERY_MS, suspect: 0 });
      expect(world.status.pulled).toMatchObject({ rows: 5, added: 5, changed: 0, removed: 0 });
      expect(world.events).toMatchObject([{ type: "mirror-pulled", origin: "kept", collection: "things", added: 5 }]);
      // Woken again it has nothing to do.
      await world.wake();
      expect(world.keeper.dueAt()).toBe(begun + EVERY_MS);
      world.things = world.things.slice(1);
      await world.pass(EVERY_MS);
      expect(await world.rows()).toEqual(world.things);
      expect(world.status).toMatchObject({ version: 2, rows: 4, pulls: { done: 2, failed: 0 } });
      // What is as it was is no news.
      await world.pass(EVERY_MS);
      expect([world.events.length, world.status.pulls.done, world.status.version]).toEqual([2, 3, 2]);
      expect(world.status.asOf).toBe(begun + 2 * EVERY_MS);
    }));

  test("holds the schemas of the tools that it answers, and gets those of others when they are added", () =>
    keeping(
      async (world) => {
        await world.wake();
        await world.settle();
        expect((await world.record)?.schemasHash).toBe("get");
        const collection = { ...world.setup.collection, tools: ["get", "find"] };
        await world.wake({ collection });
        await world.settle();
        expect((await world.record)?.schemasHash).toBe("get,find");
        // So it does when the origin's tools may have changed.
        await env.DB.prepare("UPDATE mirror SET schemas_hash = '' WHERE name = ?").bind(world.name).run();
        await world.tell("list:tools");
        await world.settle();
        expect((await world.record)?.schemasHash).toBe("get,find");
        expect(world.status.pulls.done).toBe(1);
      },
      { tools: ["get"] },
    ));

  test("goes by another schedule when it is told to", () =>
    keeping(async (world) => {
      await world.wake();
      await world.settle();
      const { asOf } = world.status;
      await world.wake({ collection: { ...world.setup.collection, everyMs: MINUTE_MS } });
      expect(world.status.nextAt).toBe(asOf! + MINUTE_MS);
    }));

  test("is pulled again at once after a clock that was ahead", () =>
    keeping(async (world) => {
      const { now } = world;
      world.now += 400 * DAY_MS;
      await world.wake();
      await world.settle();
      world.now = now;
      world.again();
      await world.wake();
      await world.settle();
      expect(world.status).toMatchObject({ asOf: now, nextAt: now + EVERY_MS, pulls: { done: 2 } });
      expect(await world.record).toMatchObject({ asOf: now });
    }));

  test("that nobody wants any more is not pulled after a week, and is gone after a month", () =>
    keeping(async (world) => {
      await world.wake();
      await world.settle();
      world.now += 7 * DAY_MS;
      await world.settle();
      const { pulls } = world.status;
      expect(world.status.nextAt).toBeNull();
      await world.tell("thing:t1", "origin");
      await world.pass(DAY_MS);
      expect([world.status.pulls, world.asked.includes("one t1")]).toEqual([pulls, false]);
      await world.wake();
      await world.settle();
      expect(world.status.pulls.done).toBe(pulls.done + 1);
      world.now += 7 * DAY_MS;
      await world.pass(24 * DAY_MS);
      expect([world.keeper.status(), world.keeper.dueAt(), await world.record]).toEqual([
        undefined,
        undefined,
        undefined,
      ]);
      const tables = await env.DB.prepare("SELECT name FROM sqlite_master WHERE name LIKE ?")
        .bind(`%${world.name}%`)
        .all();
      expect(tables.results).toEqual([]);
      // Whoever wants it again gets it again.
      await world.wake();
      await world.settle();
      expect(await world.rows()).toEqual(world.things);
    }));

  test("makes room for another definition where nobody has wanted it for an hour", () =>
    keeping(async (world) => {
      await world.wake();
      await world.settle();
      expect(world.retired).toBe(1);
      world.now += 3_599_000;
      await world.keeper.retire();
      expect(await world.record).toBeDefined();
      world.now += 1_000;
      await world.keeper.retire();
      expect([await world.record, world.keeper.status()]).toEqual([undefined, undefined]);
    }));
});

describe("news of the feed", () => {
  test("has single rows asked for again, and the version then has all of it", () =>
    keeping(async (world) => {
      await world.wake();
      await world.settle();
      const pages = pagesIn(world.asked);
      world.things[1] = { id: "t2", n: 22 };
      world.things.splice(3, 1);
      world.things.push({ id: "t6", n: 6 });
      await world.tell("thing:t2", "thing:t4", "thing:t6", "other:t1");
      await world.settle();
      expect(await world.rows()).toEqual(world.things);
      expect(pagesIn(world.asked)).toBe(pages);
      expect(world.asked.slice(pages)).toEqual(["one t2", "one t4", "one t6"]);
      expect(await world.record).toMatchObject({ version: 2, size: 5, feedId: "f", seq: 1 });
      expect(world.status).toMatchObject({ version: 2, rows: 5, suspect: 0, pulled: { rows: 5 } });
      // A row that has not changed makes no version, but is known to be as it is.
      await world.tell("thing:t1");
      await world.settle();
      expect(await world.record).toMatchObject({ version: 2, seq: 2 });
      // Nor does one that was pulled from a tool, and is asked for by its resource.
      world.intercept = (what) => (what === "one" ? { row: world.things[0], uri: "x://t1" } : undefined);
      await world.tell("thing:t1");
      await world.settle();
      expect(await world.record).toMatchObject({ version: 2, seq: 3 });
    }));

  test("that names no row has all of it pulled, soon and once", () =>
    keeping(async (world) => {
      await world.wake();
      await world.settle();
      world.things.push({ id: "t6", n: 6 });
      for (const tag of ["collection:things", "tool:list", "origin", "thing:-"]) {
        await world.tell(tag);
        await world.settle();
      }
      expect(world.status.version).toBe(1);
      await world.pass(1_000);
      expect([await world.rows(), world.status.pulls.done]).toEqual([world.things, 2]);
      expect(await world.record).toMatchObject({ seq: 4 });
      await world.pass(10_000);
      expect(world.status.pulls.done).toBe(2);
    }));

  test("that names no row is not taken for worked in by a pull that failed", () =>
    keeping(async (world) => {
      await world.wake();
      await world.settle();
      world.things[4] = { id: "t5", n: 55 };
      world.intercept = (what) => (what === "page" ? { rows: [{ n: 1 }], requests: 1 } : undefined);
      await world.tell("collection:things");
      await world.pass(2_000);
      expect(world.status.failed).toMatchObject({ code: "no-key" });
      // Nor by rows that are asked for meanwhile, or by another schedule.
      await world.tell("thing:t1");
      await world.settle();
      await world.wake({ collection: { ...world.setup.collection, everyMs: 2 * EVERY_MS } });
      await world.settle();
      expect(await world.record).toMatchObject({ version: 1, seq: 0 });
      world.intercept = () => undefined;
      await world.pass(EVERY_MS);
      expect([await world.rows(), (await world.record)?.seq]).toEqual([world.things, 2]);
    }));

  test("that came in a first pull which failed leaves nothing to do before the next", () =>
    keeping(async (world) => {
      world.perPage = 1;
      world.requestsPerPage = 20;
      await world.wake();
      await world.settle(1);
      expect(world.status.pulling?.rows).toBe(2);
      world.intercept = (what) => (what === "page" ? { rows: [{ n: 1 }], requests: 1 } : undefined);
      await world.tell("collection:things", "thing:t1");
      await world.settle(2);
      expect(world.status).toMatchObject({ version: 0, failed: { code: "no-key" } });
      await world.settle(2);
      expect(world.keeper.dueAt()).toBe(world.status.nextAt);
      world.intercept = () => undefined;
      await world.pass(MINUTE_MS);
      expect([await world.rows(), (await world.record)?.seq]).toEqual([world.things, 1]);
    }));

  test("from while nobody wanted it has all of it pulled before single rows count as worked in", () =>
    keeping(
      async (world) => {
        await world.wake();
        await world.settle();
        world.now += 7 * DAY_MS;
        await world.settle();
        world.things[4] = { id: "t5", n: 55 };
        world.feed.invalidate(["thing:t5"], {}, world.now);
        world.intercept = (what) => (what === "page" ? { rows: [{ n: 1 }], requests: 1 } : undefined);
        await world.wake();
        await world.settle();
        const verdict = { tool: "get", matches: 0, mismatches: 1, staleMs: 5, keys: ["t1"] };
        await world.keeper.verified([verdict]);
        await world.settle();
        expect(world.asked.at(-1)).toBe("one t1");
        expect(await world.record).toMatchObject({ seq: 0 });
        world.intercept = () => undefined;
        await world.pass(EVERY_MS);
        expect([await world.rows(), (await world.record)?.seq]).toEqual([world.things, 1]);
      },
      { tools: ["get"] },
    ));

  test("that was missed has all of it pulled: of another feed, or from before what is remembered", () =>
    keeping(async (world) => {
      await world.wake();
      await world.settle();
      const { Feed } = await import("../../src/sync/Feed.ts");
      world.feed = new Feed({ feedId: "g", seq: 7, floor: 0, hardFloor: 0 });
      await world.keeper.changed();
      await world.pass(1_000);
      expect(await world.record).toMatchObject({ feedId: "g", seq: 7 });
      world.feed = new Feed({ feedId: "g", seq: 20, floor: 15, hardFloor: 0 });
      await world.keeper.changed();
      await world.pass(1_000);
      expect([world.status.pulls.done, (await world.record)?.seq]).toEqual([3, 20]);
    }));

  test("of more rows than are asked for one by one has all of it pulled", () =>
    keeping(async (world) => {
      await world.wake();
      await world.settle();
      await world.tell(...Array.from({ length: 1_001 }, (_, nth) => `thing:${nth}`));
      await world.pass(1_000);
      expect([world.status.pulls.done, world.asked.some((one) => one.startsWith("one"))]).toEqual([2, false]);
    }));

  test("is heard with the next look where nobody was told of it", () =>
    keeping(async (world) => {
      await world.wake();
      await world.settle();
      world.things[0] = { id: "t1", n: 11 };
      world.feed.invalidate(["thing:t1"], {}, world.now);
      await world.settle();
      expect((await world.rows())[0]).toEqual({ id: "t1", n: 1 });
      // The alarm was set for news by an object that is no more.
      world.again();
      world.keeper.alarmed();
      await world.settle();
      expect((await world.rows())[0]).toEqual({ id: "t1", n: 11 });
    }));

  test("of a row that came while all was being pulled is worked in after that", () =>
    keeping(async (world) => {
      await world.wake();
      await world.settle();
      world.perPage = 1;
      world.requestsPerPage = 20;
      await world.keeper.pullNow();
      await world.settle(1);
      expect(world.status.pulling?.rows).toBe(2);
      // Both were on a page before; of one nobody is told but the next pull.
      world.things[0] = { id: "t1", n: 11 };
      world.things[1] = { id: "t2", n: 22 };
      await world.tell("thing:t1");
      await world.settle(1);
      expect([world.status.suspect, world.status.pulling?.rows]).toEqual([1, 4]);
      await world.settle();
      expect((await world.rows()).map(({ n }) => n)).toEqual([11, 2, 3, 4, 5]);
      expect(await world.record).toMatchObject({ seq: 1, version: 2 });
      expect(world.status).toMatchObject({ suspect: 0, pulls: { done: 2 } });
    }));

  test("of a row of which the origin says nothing has all of it pulled", () =>
    keeping(async (world) => {
      await world.wake();
      await world.settle();
      world.things.shift();
      world.intercept = (what) => (what === "one" ? { bad: "It says that it failed." } : undefined);
      await world.tell("thing:t1");
      await world.settle();
      // Not all that the feed has told of is worked in yet.
      expect(await world.record).toMatchObject({ version: 1, seq: 0 });
      await world.pass(1_000);
      expect(await world.rows()).toEqual(world.things);
      expect(await world.record).toMatchObject({ version: 2, seq: 1 });
    }));
});

describe("an origin in trouble", () => {
  test("is left alone while it is down, and asked again when it is up", () =>
    keeping(async (world) => {
      world.health = { state: "down", since: 0, retryAt: world.now + 7_000 };
      await world.wake();
      await world.settle();
      expect([world.asked, world.status.pulling]).toEqual([[], null]);
      await world.pass(6_000);
      expect(world.words).toHaveLength(1);
      world.health = { state: "up", since: 0 };
      await world.pass(2_000);
      expect(await world.rows()).toEqual(world.things);
    }));

  test("that fails on a page is asked for that page again, later and later, and its failures are told", () =>
    keeping(async (world) => {
      world.intercept = (what, key) =>
        what === "page" && key === "2" ? { failure: { kind: "status", status: 503, retryAfterMs: 20_000 } } : undefined;
      await world.wake();
      await world.settle();
      expect(world.status).toMatchObject({ version: 0, pulling: null, nextAt: world.now + 20_000 });
      expect(world.status.failed).toMatchObject({ code: "origin-failed", times: 1, at: world.now });
      expect(world.events).toMatchObject([{ type: "mirror-failed", code: "origin-failed", collection: "things" }]);
      await world.pass(20_000);
      expect(world.words[1]?.outcomes).toMatchObject({ ok: 1, failed: 1, reason: "HTTP 503" });
      expect(world.status.failed?.times).toBe(2);
      world.intercept = () => undefined;
      await world.pass(MINUTE_MS);
      expect(await world.rows()).toEqual(world.things);
      expect(world.status.failed).toBeNull();
      // It went on where it was.
      expect(world.asked).toEqual(["page ", "page 2", "page 2", "page 2", "page 4", ...world.asked.slice(5)]);
    }));

  test("that fails for long is asked from the first page again", () =>
    keeping(async (world) => {
      world.intercept = (what, key) =>
        what === "page" && key === "2" ? { failure: { kind: "timeout", afterMs: 1 } } : undefined;
      await world.wake();
      await world.pass(20 * MINUTE_MS);
      expect(world.asked.filter((one) => one === "page ").length).toBeGreaterThan(1);
    }));

  test("is not asked for the same rows all the time", () =>
    keeping(async (world) => {
      await world.wake();
      await world.settle();
      world.intercept = (what) => (what === "one" ? { failure: { kind: "unreachable" } } : undefined);
      await world.tell("thing:t1", "thing:t2");
      await world.pass(30_000);
      const asked = world.asked.filter((one) => one.startsWith("one")).length;
      expect(asked).toBeGreaterThan(2);
      expect(asked).toBeLessThan(20);
      expect(world.status.suspect).toBe(2);
      expect((await world.record)?.seq).toBe(0);
      world.intercept = () => undefined;
      world.things[0] = { id: "t1", n: 11 };
      await world.pass(MINUTE_MS);
      expect(world.status.suspect).toBe(0);
      expect(await world.record).toMatchObject({ version: 2, seq: 1 });
    }));

  test("that says what cannot be used keeps what there was", () =>
    keeping(async (world) => {
      await world.wake();
      await world.settle();
      const before = await world.rows();
      world.intercept = (what) => (what === "page" ? { rows: [{ n: 1 }, { id: "t1", n: 1 }], requests: 1 } : undefined);
      await world.keeper.pullNow();
      await world.settle();
      expect(world.status.failed).toMatchObject({ code: "no-key", count: 1 });
      expect([await world.rows(), world.status.version]).toEqual([before, 1]);
    }));
});

test("an origin that says once that it has nothing is asked again before all rows are gone", () =>
  keeping(async (world) => {
    await world.wake();
    await world.settle();
    let empty = 1;
    world.intercept = (what) => (what === "page" && empty-- > 0 ? { rows: [], requests: 1 } : undefined);
    await world.keeper.pullNow();
    await world.settle();
    expect([await world.rows(), world.status.pulls.done]).toEqual([world.things, 2]);
    // What it says twice is so.
    world.things = [];
    await world.keeper.pullNow();
    await world.settle();
    expect(await world.record).toMatchObject({ version: 2, size: 0 });
    expect(await world.rows()).toEqual([]);
  }));

describe("whatever fails besides", () => {
  test("D1 that fails is tried again, from where the pull was", () =>
    keeping(async (world) => {
      world.isStoreLost = true;
      await world.wake();
      await world.settle();
      expect(world.status.failed).toMatchObject({ code: "store-failed" });
      expect(world.status.failed!.message).toContain("no such table");
      world.isStoreLost = false;
      world.again();
      await world.pass(MINUTE_MS);
      expect([await world.rows(), world.status.failed]).toEqual([world.things, null]);
    }));

  test("what D1 has lost is made anew", () =>
    keeping(async (world) => {
      await world.wake();
      await world.settle();
      await env.DB.batch([
        env.DB.prepare("DELETE FROM mirror WHERE name = ?").bind(world.name),
        env.DB.prepare(`DROP TABLE "rows:${world.name}"`),
      ]);
      await world.tell("thing:t1");
      await world.settle();
      await world.pass(EVERY_MS);
      expect([await world.rows(), world.status.rows]).toEqual([world.things, 5]);
    }));

  test("what D1 has lost is made anew at once where somebody misses it", () =>
    keeping(async (world) => {
      await world.wake();
      await world.settle();
      // Somebody was too early, or asked a replica of D1 that was behind.
      await world.keeper.wake(world.name, world.setup, true);
      await world.settle();
      expect(world.status.pulls.done).toBe(1);
      await env.DB.prepare("DELETE FROM mirror WHERE name = ?").bind(world.name).run();
      await world.keeper.wake(world.name, world.setup, true);
      expect(world.status).toMatchObject({ version: 0, rows: 0, asOf: null });
      await world.settle();
      expect(await world.record).toMatchObject({ version: 1, size: 5 });
    }));

  test("while others pull from the origin it waits for its turn, asks for single rows meanwhile, and lets others know when it is over", () =>
    keeping(async (world) => {
      world.hasPlace = false;
      await world.wake();
      await world.pass(10_000);
      expect([world.asked, world.status.pulling]).toEqual([[], null]);
      // Not all the time.
      expect(world.words.length).toBeLessThan(12);
      world.hasPlace = true;
      await world.pass(2_000);
      expect(world.status.pulls.done).toBe(1);
      expect(world.words.at(-1)!.wantsPlace).toBe(false);
      world.hasPlace = false;
      await world.pass(EVERY_MS * 1.2);
      world.things[0] = { id: "t1", n: 11 };
      await world.tell("thing:t1");
      await world.pass(5_000);
      expect((await world.rows())[0]).toEqual({ id: "t1", n: 11 });
      expect(world.status.pulls.done).toBe(1);
      // An operator's word changes nothing of that.
      await world.keeper.pullNow();
      expect(world.status.pulling).toBe(null);
      world.hasPlace = true;
      await world.pass(2_000);
      expect(world.status.pulls.done).toBe(2);
    }));

  test("the origin's object is asked again when it cannot be reached, and hears then how calls ended", () =>
    keeping(async (world) => {
      await world.wake();
      await world.settle(2);
      world.isObjectLost = true;
      await world.tell("thing:t1");
      await world.settle();
      expect(world.events.at(-1)).toMatchObject({ type: "sync-failed", operation: "mirror" });
      world.isObjectLost = false;
      world.things[0] = { id: "t1", n: 11 };
      await world.pass(10_000);
      expect((await world.rows())[0]).toEqual({ id: "t1", n: 11 });
      const told = world.words.map(({ outcomes }) => outcomes?.ok ?? 0).reduce((sum, ok) => sum + ok, 0);
      expect(told).toBeGreaterThanOrEqual(3);
    }));

  test("an object that is lost between any two steps goes on from what it has kept", () =>
    keeping(async (world) => {
      world.perPage = 50;
      world.things = Array.from({ length: 3_000 }, (_, n) => ({ id: `t${String(n).padStart(4, "0")}`, n }));
      await world.wake();
      let steps = 0;
      for (; world.status.version === 0; steps++) {
        await world.settle(1);
        world.again();
        if (world.status.pulling?.rows) expect(world.status.pulling).toMatchObject({ startedAt: world.now });
      }
      expect(steps).toBeGreaterThan(2);
      // No page was asked for twice, but the first, to see that it is still the same.
      expect(pagesIn(world.asked)).toBe(60 + 1);
      expect(await world.rows()).toEqual(world.things);
    }));
});

test("an operator has it pulled at once, whatever was planned", () =>
  keeping(async (world) => {
    await world.keeper.pullNow();
    expect(world.keeper.status()).toBeUndefined();
    await world.wake();
    await world.settle();
    await world.keeper.pullNow();
    const begun = { startedAt: world.now, rows: 0, pages: 0 };
    world.now += 10;
    expect(world.status.pulling).toEqual(begun);
    await world.settle();
    expect(world.status).toMatchObject({ pulling: null, pulls: { done: 2 } });
    expect(world.status.nextAt).toBe(world.now + EVERY_MS);
    // Also after a failure that has put it off.
    world.intercept = () => ({ failure: { kind: "status", status: 429, retryAfterMs: DAY_MS } });
    await world.keeper.pullNow();
    await world.settle();
    world.intercept = () => undefined;
    await world.keeper.pullNow();
    await world.settle();
    expect(world.status).toMatchObject({ failed: null, pulls: { done: 3, failed: 1 } });
  }));

test("rows that no reader can see are collected ten minutes after", () =>
  keeping(async (world) => {
    const count = async () =>
      (await env.DB.prepare(`SELECT count(*) AS n FROM "rows:${world.name}"`).first<{ n: number }>())!.n;
    await world.wake();
    await world.settle();
    world.things[0] = { id: "t1", n: 11 };
    await world.tell("thing:t1");
    await world.settle();
    expect(await count()).toBe(6);
    await world.pass(9 * MINUTE_MS);
    expect([await count(), (await world.record)?.oldest]).toEqual([6, 0]);
    await world.pass(2 * MINUTE_MS);
    expect([await count(), (await world.record)?.oldest]).toEqual([5, 2]);
    expect(await world.rows()).toEqual(world.things);
  }));

test("a tool whose answers are wrong is stopped, and answered again after a pull that began then", () =>
  keeping(
    async (world) => {
      await world.wake();
      await world.settle();
      const verdict = { tool: "get", matches: 10, mismatches: 10, staleMs: 5, maxMismatch: 0.1, keys: ["t1"] };
      await world.keeper.verified([verdict, { ...verdict, tool: "unknown" }]);
      const at = world.now;
      expect((await world.record)?.stopped).toEqual({ get: at });
      expect(world.status.stopped).toEqual({ get: at });
      expect(world.status.verified).toEqual({ get: { matches: 10, mismatches: 10, staleMs: 5 } });
      expect(world.events.at(-1)).toMatchObject({ type: "mirror-stopped", tool: "get" });
      await world.settle();
      expect(world.asked.at(-1)).toBe("one t1");
      expect((await world.record)?.stopped).toEqual({ get: at });
      await world.pass(2_000);
      expect([(await world.record)?.stopped, world.status.stopped]).toEqual([{}, {}]);
      expect(world.status.verified).toEqual({ get: { matches: 10, mismatches: 10, staleMs: 5 } });
    },
    { tools: ["get"] },
  ));

test("an answer that is always wrong is no reason to pull always, though the origin says nothing of its row", () =>
  keeping(
    async (world) => {
      await world.wake();
      await world.settle();
      world.intercept = (what) => (what === "one" ? { bad: "It refused." } : undefined);
      for (let nth = 0; nth < 5; nth++) {
        await world.keeper.verified([{ tool: "get", matches: 0, mismatches: 1, staleMs: 5, keys: ["t8"] }]);
        await world.pass(5_000);
      }
      expect(world.asked.filter((one) => one === "one t8")).toHaveLength(5);
      expect([world.status.pulls.done, world.status.suspect]).toEqual([1, 0]);
      // What the feed has told of is.
      await world.tell("thing:t8");
      await world.pass(5_000);
      expect(world.status.pulls.done).toBe(2);
    },
    { tools: ["get"] },
  ));

test("a mirror of resources has the origin tell of them, every minute, as long as it is pulled", () =>
  keeping(
    async (world) => {
      world.intercept = (what) =>
        what === "page"
          ? { rows: world.things, uris: world.things.map(({ id }) => `x://${id}`), requests: 1 }
          : undefined;
      await world.wake();
      await world.settle();
      expect(world.words[0]?.interest).toEqual({ wantsListen: true, modern: true, lists: ["resources"], uris: [] });
      await world.pass(MINUTE_MS);
      const uris = ["x://t1", "x://t2", "x://t3", "x://t4", "x://t5"];
      expect(world.words.at(-1)?.interest).toMatchObject({ uris });
      const said = world.words.filter(({ interest }) => interest).length;
      await world.pass(3 * MINUTE_MS);
      expect(world.words.filter(({ interest }) => interest).length - said).toBeLessThanOrEqual(4);
      // One that came from such a resource is asked for again by it; and one that is not known, whether it is a row.
      await world.tell("resource:x://t3", "resource:x://unknown");
      await world.settle();
      expect(world.asked.filter((one) => one.startsWith("one"))).toEqual(["one t3", "one x://unknown"]);
      await world.wake({ listens: false });
      const before = world.words.length;
      await world.pass(3 * MINUTE_MS);
      expect(world.words.slice(before).every(({ interest }) => interest === undefined)).toBe(true);
    },
    { from: { kind: "resources", pattern: "x://*" }, row: undefined, tags: [] },
  ));

describe("a mirror of resources is not taken to have", () => {
  /** Of the resources `x://a/<id>`. */
  const listed = (work: (world: KeptWorld) => Promise<void>) =>
    keeping(
      async (world) => {
        world.intercept = (what, id) => {
          if (what === "one") return world.things.some((one) => one.id === id) ? undefined : { gone: true };
          return { rows: world.things, uris: world.things.map((one) => `x://a/${one.id}`), requests: 1 };
        };
        world.things.push({ id: "t1/b", n: 0 });
        await world.wake();
        await world.settle();
        await work(world);
      },
      { from: { kind: "resources", pattern: "x://a/*" }, row: undefined, tags: [] },
    );

  test.each(["x://a", "x://a/", "x://a/t1"])("what may have changed below %s", (uri) =>
    listed(async (world) => {
      world.things.at(-1)!.n = 11;
      await world.tell(`resource:${uri}`);
      await world.settle();
      await world.tell("resource:x://a/t2");
      await world.settle();
      expect(await world.record).toMatchObject({ version: 1, seq: 0 });
      await world.pass(1_000);
      expect(await world.record).toMatchObject({ version: 2, seq: 2 });
      expect((await world.rows()).find(({ id }) => id === "t1/b")).toEqual({ id: "t1/b", n: 11 });
    }),
  );

  test("one that is new, before it has", () =>
    listed(async (world) => {
      world.things.push({ id: "t9", n: 9 });
      await world.tell("resource:x://a/t9");
      await world.settle();
      expect((await world.record)?.seq).toBe(0);
      await world.pass(1_000);
      expect(await world.record).toMatchObject({ version: 2, seq: 1, size: 7 });
    }));
});
