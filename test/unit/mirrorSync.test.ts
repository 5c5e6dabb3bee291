import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterAll, describe, expect, test } from "vitest";
import type { Collection } from "../../src/config/mirror.ts";
import { resolve } from "../../src/config/resolve.ts";
import { mirrorName } from "../../src/mirror/mirrorName.ts";
import { mirrorObject } from "../../src/origin/mirrorObject.ts";
import type { MirrorSetup } from "../../src/mirror/MirrorSetup.ts";
import { MirrorSync } from "../../src/mirror/MirrorSync.ts";
import { retireOthers } from "../../src/mirror/retireOthers.ts";
import { unwoken } from "../../src/mirror/unwoken.ts";
import { mirrorsOf } from "../../src/http/admin/mirrorsOf.ts";
import type { ReplicaEvent } from "../../src/telemetry/events.ts";
import type { MirrorWord } from "../../src/sync/MirrorWord.ts";
import { PullPlaces } from "../../src/sync/PullPlaces.ts";
import { OriginSync } from "../../src/sync/OriginSync.ts";
import { collectionOf } from "./support/pulling.ts";

let origins = 0;

/** A collection of an origin of its own, whose service is not there but where a test gives it. */
async function mirrorOf(more: Partial<Collection> = {}, id = `mirrored-${++origins}`) {
  const { settings } = resolve({ origins: { [id]: { service: "S" } } }).origins.get(id)!;
  const cursor = { argument: "cursor", next: "/next" };
  const from = { kind: "tool", tool: "list", arguments: {}, rows: "/rows", cursor, total: undefined } as const;
  const collection = collectionOf({ from, everyMs: 300_000, ...more });
  const setup: MirrorSetup = {
    origin: settings,
    collection,
    among: [collection.name],
    listens: false,
    eras: { modern: true },
  };
  const name = await mirrorName(settings, collection);
  const object = () => mirrorObject(env, name, undefined);
  woken.push(object);
  return { setup, name, object };
}

/** What was woken: nothing is pulled any more when all tests are over. */
const woken: (() => ReturnType<typeof mirrorObject>)[] = [];
afterAll(async () => {
  for (const object of woken) await runInDurableObject(object(), (_, { storage }) => storage.deleteAlarm());
});

/** A service that lists so many rows, two on a page. */
function listing(count: number) {
  const asked: string[] = [];
  const fetch = async (_: string, { body }: RequestInit) => {
    const { id, method, params } = JSON.parse(body as string);
    const from = Number(params.arguments?.cursor ?? 0);
    asked.push(method === "tools/call" ? `${from}` : method);
    const rows = Array.from({ length: Math.min(2, count - from) }, (_, nth) => ({ id: `r${from + nth}` }));
    const structuredContent = { rows, ...(from + 2 < count && { next: `${from + 2}` }) };
    const tools = ["list"].map((name) => ({ name, inputSchema: { type: "object" } }));
    const result = method === "tools/list" ? { tools } : { content: [], structuredContent };
    return Response.json({ jsonrpc: "2.0", id, result: { resultType: "complete", ...result } });
  };
  return { asked, S: { fetch } };
}

test("an object that nobody has woken has nothing to say, and nothing to do", async () => {
  const { object } = await mirrorOf();
  await object().changed();
  expect([await object().status(), await object().pull(), await runDurableObjectAlarm(object())]).toEqual([
    null,
    null,
    false,
  ]);
});

test("one that is woken does its work by alarm, and knows of it when it was evicted", async () => {
  const { object, setup } = await mirrorOf();
  await object().wake(setup);
  await runDurableObjectAlarm(object());
  const status = await object().status();
  // The service is not there.
  expect(status).toMatchObject({ version: 0, failed: { code: "origin-failed" }, pulls: { done: 0 } });
  await evictDurableObject(object());
  expect(await object().status()).toMatchObject({ collection: "things", failed: { code: "origin-failed" } });
  expect(await runInDurableObject(object(), (_, { storage }) => storage.getAlarm())).toBeGreaterThan(0);
});

test("a pull goes on over objects that end after each of its steps", async () => {
  const { setup, name, object } = await mirrorOf();
  const { asked, S } = listing(150);
  const own = { ...env, S, REPLICA_LOG: "off" } as unknown as Cloudflare.Env;
  await runInDurableObject(object(), async (_, state) => {
    await new MirrorSync(state, own).wake(setup);
    let status;
    for (let steps = 0; steps < 20; steps++) {
      const mirror = new MirrorSync(state, own);
      await mirror.alarm();
      status = (await mirror.status())!;
      if (status.version > 0) {
        expect(steps).toBeGreaterThan(2);
        break;
      }
      expect(status.pulling).not.toBeNull();
    }
    expect(status).toMatchObject({ version: 1, rows: 150, failed: null, pulled: { pages: 75 } });
  });
  // Each page once, and the first once more.
  const pages = asked.filter((one) => /^\d/.test(one));
  expect([pages.length, new Set(pages).size]).toEqual([76, 75]);
  const record = await env.DB.prepare("SELECT version, feed_id AS feedId FROM mirror WHERE name = ?")
    .bind(name)
    .first();
  const { feed } = await env.ORIGIN_SYNC.get(env.ORIGIN_SYNC.idFromName(setup.origin.id)).totals({ isolate: "i" });
  expect(record).toEqual({ version: 1, feedId: feed.feedId });
});

test("another definition that nobody has wanted for an hour makes room, and no other", async () => {
  const { S } = listing(3);
  const own = { ...env, S, REPLICA_LOG: "off" } as unknown as Cloudflare.Env;
  const all = await Promise.all(
    ["/id", "/a", "/b"].map((key, nth) =>
      mirrorOf({ key: [key], keyNames: ["id"], everyMs: 300_000 + nth }, "retiring"),
    ),
  );
  const [first, second, third] = all as [(typeof all)[0], (typeof all)[0], (typeof all)[0]];
  for (const { object, setup } of all) {
    await runInDurableObject(object(), async (_, state) => {
      const mirror = new MirrorSync(state, own);
      await mirror.wake(setup);
      await mirror.alarm();
    });
    await evictDurableObject(object());
  }
  const names = async () => {
    const rows = await env.DB.prepare("SELECT name FROM mirror WHERE origin = 'retiring'").all<{ name: string }>();
    return rows.results.map(({ name }) => name).toSorted();
  };
  expect(await names()).toHaveLength(3);
  const hourMs = 3_600_000;
  await runInDurableObject(second.object(), (_, { storage }) => {
    const sql = "UPDATE kept SET value = json_set(value, '$.wokenAt', ?) WHERE what = 'mirror'";
    storage.sql.exec(sql, Date.now() - hourMs);
  });
  await evictDurableObject(second.object());
  await retireOthers(env, first.name, first.setup);
  expect(await names()).toEqual([first.name, third.name].toSorted());
  expect([await second.object().status(), (await third.object().status())?.collection]).toEqual([null, "things"]);
  // Nor does one whose collection the configuration names no more.
  const other = { collection: { ...first.setup.collection, name: "others" }, among: ["things", "others"] };
  await runInDurableObject(third.object(), (_, { storage }) => {
    const sql = "UPDATE kept SET value = json_set(value, '$.wokenAt', ?) WHERE what = 'mirror'";
    storage.sql.exec(sql, Date.now() - hourMs);
  });
  await evictDurableObject(third.object());
  await retireOthers(env, first.name, { ...first.setup, ...other });
  expect(await third.object().status()).not.toBe(null);
  await retireOthers(env, first.name, { ...first.setup, ...other, among: ["others"] });
  expect(await third.object().status()).toBe(null);
});

test("one that cannot be asked is named among those that are shown", async () => {
  const collections = {
    here: { from: { tool: "list" }, key: "id", scope: "public" as const },
    lost: { from: { tool: "list" }, key: "id", scope: "public" as const },
  };
  const origin = resolve({ origins: { shown: { service: "S", collections } } }).origins.get("shown")!;
  const get = (name: string) => ({
    status: async () => {
      if (name.startsWith("shown/lost")) throw new Error("no such object");
      return null;
    },
  });
  const events: ReplicaEvent[] = [];
  const own = { MIRROR_SYNC: { idFromName: String, get } } as unknown as Cloudflare.Env;
  expect(await mirrorsOf(origin, own, (event) => void events.push(event))).toEqual({
    mirror: [unwoken("shown", "here")],
    down: { lost: "Error: no such object" },
  });
  expect(events).toEqual([
    { type: "mirror-unreachable", origin: "shown", collection: "lost", reason: "Error: no such object" },
  ]);
});

describe("an origin's object", () => {
  /** Says something to an object of its own, whose mirrors are counted when they are told to look. */
  async function within(
    work: (sync: OriginSync, told: string[], word: (more?: Partial<MirrorWord>) => MirrorWord) => Promise<void>,
    changed: () => Promise<void> = async () => {},
  ) {
    const { setup } = await mirrorOf();
    const told: string[] = [];
    const get = (name: string) => ({
      changed: () => {
        told.push(name);
        return changed();
      },
    });
    const own = { ...env, REPLICA_LOG: "off", MIRROR_SYNC: { idFromName: String, get } } as unknown as Cloudflare.Env;
    const word = (more: Partial<MirrorWord> = {}): MirrorWord => ({
      place: { name: "m" },
      origin: setup.origin,
      concerns: { tags: ["origin"], beginnings: ["thing:"] },
      seq: 0,
      feedId: undefined,
      wantsPlace: false,
      ...more,
    });
    await runInDurableObject(env.ORIGIN_SYNC.get(env.ORIGIN_SYNC.idFromName(setup.origin.id)), (_, state) =>
      work(new OriginSync(state, own), told, word),
    );
  }

  test("lets so many mirrors pull at once as the origin is to see calls of, and the next when one has ended or is silent", () =>
    within(async (sync, _, word) => {
      const origin = { ...word().origin, concurrency: 8 };
      const ask = async (name: string, wantsPlace = true) =>
        (await sync.mirror(word({ place: { name }, origin, wantsPlace }))).hasPlace;
      expect([await ask("a"), await ask("b"), await ask("c"), await ask("a")]).toEqual([true, true, false, true]);
      expect(await ask("a", false)).toBe(false);
      expect([await ask("c"), await ask("a")]).toEqual([true, false]);
      const places = new PullPlaces();
      // One may always.
      expect([places.take("a", 1, 0), places.take("b", 1, 0), places.take("a", 1, 5_000)]).toEqual([true, false, true]);
      expect([places.take("b", 1, 14_999), places.take("b", 1, 15_000)]).toEqual([false, true]);
    }));

  test("tells the mirrors that it concerns to look, once for what comes together, and what there is to hear", () =>
    within(async (sync, told, word) => {
      const first = await sync.mirror(word());
      await sync.mirror(word({ place: { name: "other" }, concerns: { tags: [], beginnings: ["x:"] } }));
      const since = { seq: first.seq, feedId: first.feedId };
      await Promise.all(["thing:1", "thing:2", "nothing"].map((tag) => sync.invalidate([tag], {}, since)));
      await expect.poll(() => told).toEqual(["m"]);
      const news = await sync.mirror(word(since));
      expect(news.changes.map(({ tag }) => tag)).toEqual(["thing:1", "thing:2", "nothing"]);
      expect(news.health.state).toBe("up");
      // What comes later is told of again; also the ends of writes, and deliveries.
      await sync.conclude({ id: "w", tags: ["thing:3"], isApplied: true }, since);
      await expect.poll(() => told).toEqual(["m", "m"]);
      await sync.deliver({ id: "d", until: Date.now() + 1_000, tags: ["x:1", "origin"], hard: false }, since);
      await expect.poll(() => told.toSorted()).toEqual(["m", "m", "m", "other"]);
    }));

  test("goes on where a mirror cannot be reached", () =>
    within(
      async (sync, told, word) => {
        const { seq, feedId } = await sync.mirror(word());
        for (const nth of [1, 2]) {
          await sync.invalidate(["thing:1"], {}, { seq, feedId });
          await expect.poll(() => told).toHaveLength(nth);
        }
      },
      async () => {
        throw new Error("unreachable");
      },
    ));

  test("learns of a mirror how its calls end, and probes an origin that is down as long as it asks", () =>
    within(async (sync, _, word) => {
      const failedAt = Date.now();
      await sync.mirror(word({ outcomes: { ok: 0, failed: 5, failedAt, reason: "HTTP 503" } }));
      // The service is not there, so that no probe says that it is down.
      await sync.alarm();
      const { health } = await sync.totals({ isolate: "i" });
      expect(health.failed).toBe(0);
      expect(
        (await sync.mirror(word({ outcomes: { ok: 2, failed: 1, failedAt: Date.now(), okAt: Date.now() } }))).health
          .state,
      ).toBe("up");
      expect((await sync.totals({ isolate: "i" })).health).toMatchObject({ ok: 2, failed: 1 });
    }));

  test("listens at the origin for a mirror alone", () =>
    within(async (sync, _, word) => {
      expect((await sync.totals({ isolate: "i" })).listen.state).toBe("idle");
      const interest = { wantsListen: true, modern: true, lists: ["resources" as const], uris: ["x://1"] };
      await sync.mirror(word({ interest }));
      expect((await sync.totals({ isolate: "i" })).listen.state).not.toBe("idle");
      const { listened } = await sync.pulse({ seq: 0, feedId: undefined, isolate: "i", origin: word().origin });
      expect(listened).toEqual({ lists: ["resources"], resources: true });
    }));

  test("goes by what isolates have said of the origin's eras, and not by what a mirror was told before", () =>
    within(async (sync, _, word) => {
      const { origin } = word();
      const none = { wantsListen: true, modern: false, legacy: "none" as const, lists: [], uris: [] };
      await sync.pulse({ seq: 0, feedId: undefined, isolate: "i", origin, interest: none });
      await sync.mirror(word({ interest: { wantsListen: true, modern: true, lists: ["resources"], uris: [] } }));
      expect((await sync.totals({ isolate: "i" })).listen.state).toBe("idle");
    }));
});
