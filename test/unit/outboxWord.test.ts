import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, test } from "vitest";
import { resolve } from "../../src/config/resolve.ts";
import { tenantId } from "../../src/config/tenant.ts";
import { originSync } from "../../src/origin/originSync.ts";
import { operationId, operationTag } from "../../src/outbox/operationId.ts";
import { KeptFeed } from "../../src/sync/KeptFeed.ts";
import { FeedView } from "../../src/sync/FeedView.ts";
import type { OutboxWord } from "../../src/sync/OutboxWord.ts";

const { settings } = resolve({ origins: { o: { service: "S" } } }).origins.get("o")!;
const NEW = { seq: 0, feedId: undefined };
const ID = operationId("0".repeat(31) + "1");

const objectOf = (name: string) => originSync(env, { id: `word-${name}`, region: undefined });
const originOf = (name: string) => ({ ...settings, id: `word-${name}` });
const wordOf = (name: string, more: Partial<OutboxWord>): OutboxWord => ({
  ...NEW,
  origin: originOf(name),
  announce: [],
  conclude: [],
  changed: [],
  ...more,
});
const say = (name: string, more: Partial<OutboxWord>) => objectOf(name).outbox(wordOf(name, more));
const pulse = (name: string, since: { seq: number; feedId: string | undefined } = NEW) =>
  objectOf(name).pulse({ ...since, isolate: "i", origin: originOf(name) });
const announcement = (id: string, tags: string[]) => ({ id, tags, lapseMs: 60_000 });

describe("what an outbox says", () => {
  test("announces writes, and ends them with all that they have changed in one", async () => {
    const announce = [announcement("1", ["a"]), announcement("2", ["b"]), announcement("3", ["c"])];
    const begun = await say("a", { announce, pending: { a: 1, b: 2, c: 1 } });
    expect(begun).toMatchObject({ isAnnounced: ["1", "2", "3"], announced: ["a", "b", "c"], seq: 0 });
    expect(await pulse("a")).toMatchObject({ announced: ["a", "b", "c"], pending: { a: 1, b: 2, c: 1 } });

    const conclude = [
      { id: "1", tags: ["a"], isApplied: true },
      { id: "2", tags: ["b"], isApplied: false },
    ];
    const { seq, feedId } = await pulse("a");
    await say("a", { conclude, announce: [announcement("2", ["b"])], changed: [ID], pending: { b: 1 } });
    const news = await pulse("a", { seq, feedId });
    // The count is gone with the write, and the one that is sent again goes on being announced.
    expect([news.announced?.toSorted(), news.pending]).toEqual([["b", "c"], { b: 1 }]);
    expect(news.changes).toEqual([
      { tag: "a", seq: 1, hard: 0, told: 0 },
      { tag: operationTag(ID), seq: 2, hard: 0, told: 2 },
    ]);
  });

  test("that nothing waits is said by saying nothing, and what was said stands until there is other news", async () => {
    await say("b", { pending: { a: 1 } });
    await say("b", {});
    expect((await pulse("b")).pending).toEqual({ a: 1 });
    await evictDurableObject(objectOf("b"));
    expect((await pulse("b")).pending).toEqual({ a: 1 });
    await say("b", { pending: {} });
    expect(await pulse("b")).not.toHaveProperty("pending");
    await evictDurableObject(objectOf("b"));
    expect(await pulse("b")).not.toHaveProperty("pending");
  });

  test("of more tags than can be told counts for all, and is written only where it changes", async () => {
    const many = (from: number, to: number) =>
      Object.fromEntries(Array.from({ length: to - from }, (_, nth) => [`t${from + nth}`, 1]));
    const rows = () =>
      runInDurableObject(objectOf("c"), (_, { storage }) =>
        storage.sql
          .exec<{ tag: string; rowid: number }>("SELECT rowid, tag FROM pending_write")
          .toArray()
          .map(({ tag, rowid }) => `${tag} ${rowid}`),
      );
    await say("c", { pending: many(0, 1_000) });
    const before = await rows();
    expect(before).toHaveLength(1_000);
    await say("c", { pending: { ...many(1, 1_000), another: 1 } });
    // A row that is written again gets another number.
    expect(new Set(await rows()).intersection(new Set(before)).size).toBe(999);
    await say("c", { pending: many(0, 1_001) });
    expect((await pulse("c")).pending).toEqual({ origin: 1_001 });
    expect(await rows()).toHaveLength(1);
    await say("c", { pending: { ["x".repeat(600)]: 2, none: 0 } });
    expect((await pulse("c")).pending).toEqual({ ["x".repeat(512)]: 2 });
  });

  test("of tags with names that every object has, as arguments may fill them, is of tags like others", async () => {
    const names = ["__proto__", "constructor", "toString"];
    await say("i", { pending: Object.fromEntries(names.map((name) => [name, 1])) });
    for (let turn = 0; turn < 2; turn++) {
      expect(Object.keys((await pulse("i")).pending!).toSorted()).toEqual(names.toSorted());
      await evictDurableObject(objectOf("i"));
    }
    await say("i", { pending: { constructor: 1 } });
    expect(Object.entries((await pulse("i")).pending!)).toEqual([["constructor", 1]]);
  });

  test("of how its calls ended counts for the origin's health", async () => {
    const at = Date.now();
    const outcomes = { ok: 0, failed: 9, failedAt: at, reason: "unreachable" };
    expect((await say("d", { outcomes })).health).toMatchObject({ state: "up" });
    expect(await objectOf("d").totals({ isolate: "i" })).toMatchObject({ health: { failed: 9 } });
  });

  test("in a tenant's world is known there alone, but for how the origin is", async () => {
    const [own, tenants] = ["e", tenantId("e", "f".repeat(32))];
    const outcomes = { ok: 1, failed: 2, failedAt: Date.now(), reason: "timeout" };
    await say(tenants, { outcomes, pending: { a: 1 }, announce: [announcement("1", ["a"])] });
    expect(await pulse(tenants)).toMatchObject({ pending: { a: 1 }, announced: ["a"] });
    expect(await pulse(own)).toMatchObject({ announced: [] });
    expect(await pulse(own)).not.toHaveProperty("pending");
    expect(await objectOf(own).tenants()).toEqual({ ids: [`word-${tenants}`], areAll: true });
    expect((await objectOf(own).totals({ isolate: "i" })).health).toMatchObject({ ok: 1, failed: 2 });
    expect((await objectOf(tenants).totals({ isolate: "i" })).health).toMatchObject({ ok: 0, failed: 0 });
  });

  test("of an operation is news to no mirror", async () => {
    await runInDurableObject(objectOf("f"), (_, { storage }) => {
      const told: (readonly string[])[] = [];
      const feed = new KeptFeed(
        storage.sql,
        () => "f",
        (tags) => told.push(tags),
      );
      feed.invalidate(["a", operationTag(ID), "operation:another"], { told: true }, 0);
      expect(told).toEqual([["a", "operation:another"]]);
    });
  });

  test("of operations, however many, puts nothing in doubt, also where the object begins anew", async () => {
    const ids = Array.from({ length: 5_001 }, (_, nth) => operationId(nth.toString(16).padStart(32, "0")));
    await objectOf("h").invalidate(["a"], {}, NEW);
    const { feedId } = await say("h", { changed: ids });
    await evictDurableObject(objectOf("h"));
    const news = await pulse("h", { seq: 0, feedId });
    expect([news.floor, news.changes.length]).toEqual([0, 5_001]);
    expect((await pulse("h")).changes.map(({ tag }) => tag)).toEqual(["a"]);
    await say("h", { changed: ids.slice(0, 1) });
    expect((await pulse("h", { seq: 0, feedId })).changes).toHaveLength(5_001);
  });
});

test("a view has heard of what waits with the first word of it", async () => {
  await say("g", { pending: { a: 3 } });
  const view = new FeedView(() => "i");
  const question = view.ask();
  const reply = await pulse("g", question);
  view.hear(question, reply);
  view.hearPending(question, reply);
  expect([...view.pending]).toEqual([["a", 3]]);
});
