import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, test } from "vitest";
import type { Collection } from "../../src/config/mirror.ts";
import { concernsOf, suspectsOf } from "../../src/mirror/concerns.ts";
import { Refreshes } from "../../src/mirror/Refreshes.ts";
import { collectableAt, noteReplaced, type ReplacedVersion } from "../../src/mirror/Replaced.ts";
import { Schedule } from "../../src/mirror/Schedule.ts";
import { afterPull, noteStopped, NOTHING_VERIFIED, takeVerdicts } from "../../src/mirror/Verified.ts";
import { Mirrors } from "../../src/sync/Mirrors.ts";

const MINUTE_MS = 60_000;

/** A collection of a paged tool, but for what is given. */
const collection = (more: Partial<Collection> = {}): Collection => ({
  name: "features",
  from: { kind: "tool", tool: "list", arguments: {}, rows: "", cursor: undefined, total: undefined },
  key: ["/id"],
  keyNames: ["id"],
  columns: [],
  indexes: [],
  search: undefined,
  readers: "public",
  everyMs: 5 * MINUTE_MS,
  maxRows: 100,
  staleIfErrorMs: 0,
  tags: ["feature:{id}"],
  row: { tool: "get", arguments: { id: "{id}" }, at: "" },
  tools: ["get_feature"],
  ...more,
});

describe("a schedule", () => {
  const everyMs = 5 * MINUTE_MS;

  test("goes by the operator's time, give or take a tenth", () => {
    for (const [random, at] of [
      [0, 270_000],
      [0.5, 300_000],
      [1, 330_000],
    ] as const) {
      const schedule = new Schedule();
      schedule.start(0);
      expect(schedule.nextAt).toBe(0);
      schedule.began();
      schedule.succeeded({ everyMs, startedAt: 1_000, now: 2_000, random });
      expect(schedule.nextAt).toBe(2_000 + at);
    }
  });

  test("waits longer and longer after failures, a random part of that, no longer than the operator's time", () => {
    const schedule = new Schedule();
    const most = (random: number) => {
      schedule.failed({ everyMs, tookMs: 0, now: 0, random });
      return schedule.nextAt;
    };
    expect([most(1), most(1), most(1), most(0)]).toEqual([2_000, 4_000, 8_000, 1_000]);
    for (let nth = 0; nth < 40; nth++) most(1);
    expect(most(1)).toBe(everyMs);
    schedule.succeeded({ everyMs, startedAt: 0, now: 0, random: 0.5 });
    expect(most(1)).toBe(2_000);
  });

  test("waits as long as the origin asks for, a day at most, and as a pull in vain has cost", () => {
    const schedule = new Schedule();
    const next = (more: object) => {
      schedule.failed({ everyMs, tookMs: 0, now: 0, random: 0, ...more });
      return schedule.nextAt;
    };
    expect(next({ retryAfterMs: 77_000 })).toBe(77_000);
    expect(next({ retryAfterMs: 1e12 })).toBe(24 * 60 * MINUTE_MS);
    expect(next({ tookMs: 20_000 })).toBe(60_000);
  });

  test("brings news after a second, and does not pull all the time where there always is some", () => {
    const schedule = new Schedule();
    schedule.start(everyMs);
    schedule.wantSoon(everyMs, 10_000);
    expect(schedule.nextAt).toBe(11_000);
    // What comes meanwhile comes along.
    schedule.wantSoon(everyMs, 10_900);
    expect(schedule.nextAt).toBe(11_000);
    schedule.began();
    // What comes later does not.
    schedule.wantSoon(everyMs, 12_000);
    schedule.succeeded({ everyMs, startedAt: 11_000, now: 31_000, random: 0.5 });
    expect(schedule.nextAt).toBe(31_000 + 3 * 20_000);
    schedule.began();
    schedule.succeeded({ everyMs, startedAt: 91_000, now: 92_000, random: 0.5 });
    expect(schedule.nextAt).toBe(92_000 + everyMs);
  });

  test("does not let news, but an operator, pass by what a failure has put off", () => {
    const schedule = new Schedule();
    schedule.failed({ everyMs, tookMs: 0, now: 0, random: 0, retryAfterMs: MINUTE_MS });
    schedule.wantSoon(everyMs, 5_000);
    expect(schedule.nextAt).toBe(MINUTE_MS);
    schedule.wantNow(6_000);
    expect(schedule.nextAt).toBe(6_000);
  });
});

describe("a tag of the feed", () => {
  const of = (more: Partial<Collection>, ...tags: string[]) => tags.flatMap((tag) => suspectsOf(collection(more), tag));

  test("names a row where it is filled from all of its key", () => {
    expect(of({}, "feature:api.Window", "feature:", "other:a", "list:prompts")).toEqual([
      { key: ["api.Window"] },
      "all",
    ]);
    const two = { keyNames: ["id", "browser"], tags: ["support:{browser}:{id}"] };
    expect(of(two, "support:firefox:api.Window")).toEqual([{ key: ["api.Window", "firefox"] }]);
    // It can be read in two ways.
    expect(of(two, "support:a:b:c")).toEqual(["all"]);
    expect(of({ keyNames: ["id", "browser"] }, "feature:x")).toEqual(["all"]);
    expect(of({ tags: ["category:{category}"] }, "category:api")).toEqual(["all"]);
  });

  test("is anything's where an argument was not there, where it was cut, and where rows cannot be asked for", () => {
    expect(of({}, "feature:-", `feature:${"a".repeat(248)}`)).toEqual(["all", "all"]);
    expect(of({}, `feature:${"a".repeat(247)}`)).toEqual([{ key: ["a".repeat(247)] }]);
    expect(of({ row: undefined }, "feature:x")).toEqual(["all"]);
    // No key contains what stands between its parts.
    expect(of({}, "feature:a\u001Fb")).toEqual([]);
  });

  test("may concern all of it", () => {
    const whole = ["origin", "collection:features", "tool:list", "tool:get", "tool:get_feature"];
    expect(of({}, ...whole, "method:tools/call")).toEqual(Array(6).fill("all"));
    expect([...of({}, "list:tools"), ...of({ tools: [] }, "list:tools")]).toEqual(["schemas"]);
    expect(of({}, "collection:others", "tool:others", "list:resources", "resource:x://a")).toEqual([]);
    const fixed = { tags: ["features"] };
    expect(of(fixed, "features")).toEqual(["all"]);
  });

  test("names the resource that a row came from", () => {
    const listed = { from: { kind: "resources", pattern: "x://a/*" }, tags: [], row: undefined, tools: [] } as const;
    expect(of(listed, "resource:x://a/1", "resource:x://b", "list:resources", "tool:list")).toEqual([
      { uri: "x://a/1" },
      "all",
    ]);
    expect(of(listed, `resource:x://a/${"1".repeat(600)}`.slice(0, 512))).toEqual(["all"]);
    const mirrored = { ...listed, from: { kind: "mirror", patterns: ["x://a", "y://*"] } } as const;
    expect(of(mirrored, "resource:y://1", "resource:x://a", "method:resources/list")).toEqual([
      { uri: "y://1" },
      { uri: "x://a" },
      "all",
    ]);
    const each = { ...listed, from: { kind: "each", template: "x://a/{id}", each: "others" } } as const;
    expect(of(each, "resource:x://a/1", "collection:others", "list:resources")).toEqual([{ uri: "x://a/1" }, "all"]);
    const asked = { row: { resource: "x://a/{id}" } };
    expect(of(asked, "resource:x://a/b%2Fc", "resource:x://a/%")).toEqual([{ key: ["b/c"] }, "all"]);
  });

  test("is one that the origin's object is told to look for, whatever it says", () => {
    const all = [
      collection(),
      collection({ tags: ["a:{id}:b", "fixed"], row: { resource: "x://{id}" } }),
      collection({ from: { kind: "resources", pattern: "x://a/*" } }),
      collection({ from: { kind: "each", template: "x://{id}", each: "others" } }),
      collection({ from: { kind: "mirror", patterns: ["x://*", "y://b"] } }),
    ];
    const tags = ["feature:a", "a:1:b", "fixed", "resource:x://a/1", "resource:y://b", "collection:others"];
    const more = ["origin", "tool:list", "tool:get", "list:tools", "list:resources", "nothing", "method:tools/call"];
    for (const one of all) {
      const { tags: exact, beginnings } = concernsOf(one);
      for (const tag of [...tags, ...more]) {
        if (suspectsOf(one, tag).length === 0) continue;
        expect(exact.includes(tag) || beginnings.some((beginning) => tag.startsWith(beginning)), tag).toBe(true);
      }
    }
  });
});

let objects = 0;
const withSql = (work: (sql: SqlStorage) => void) =>
  runInDurableObject(env.ORIGIN_SYNC.get(env.ORIGIN_SYNC.idFromName(`schedule ${++objects}`)), async (_, { storage }) =>
    work(storage.sql),
  );

test("rows to be asked for again are noted once, in order, and not too many", () =>
  withSql((sql) => {
    const refreshes = new Refreshes(sql);
    expect([refreshes.size, refreshes.last]).toEqual([0, 0]);
    expect(refreshes.note([{ key: ["a"] }, { key: ["b"] }, { uri: "c" }])).toBe(true);
    const [a] = refreshes.first(1);
    // Noted again while it is being asked for.
    refreshes.note([{ key: ["a"] }]);
    refreshes.done([a!.nth]);
    const again = new Refreshes(sql);
    expect(again.first(9).map(({ what }) => what)).toEqual([{ key: ["b"] }, { uri: "c" }, { key: ["a"] }]);
    const { last } = again;
    again.note([{ key: ["d"] }]);
    again.doneTo(last);
    expect([again.size, again.first(9)[0]!.what]).toEqual([1, { key: ["d"] }]);
    const many = Array.from({ length: 1_000 }, (_, nth) => ({ key: [`${nth}`] }));
    expect([again.note(many), again.size]).toEqual([false, 1]);
    expect([again.note([{ key: ["x".repeat(5_000)] }]), again.size]).toEqual([false, 1]);
    expect([again.note(many.slice(1)), again.size]).toEqual([true, 1_000]);
  }));

test("an origin's object knows which mirrors a tag concerns, the latest hundred, and forgets those that are silent", () =>
  withSql((sql) => {
    const names = (mirrors: Mirrors, ...tags: string[]) => mirrors.concerned(tags).map(({ name }) => name);
    const mirrors = new Mirrors(sql);
    const concerns = { tags: ["origin"], beginnings: ["a:"] };
    mirrors.note({ name: "one", region: "weur" }, concerns, 0);
    mirrors.note({ name: "two" }, { tags: ["origin"], beginnings: ["b:", "c:"] }, 0);
    expect(names(mirrors, "b:1", "nothing")).toEqual(["two"]);
    expect(names(mirrors, "a:1", "c:2")).toEqual(["one", "two"]);
    expect(names(mirrors, "origin:")).toEqual([]);
    const again = new Mirrors(sql);
    expect(again.concerned(["a:"])).toEqual([{ name: "one", region: "weur" }]);
    const weekMs = 7 * 24 * 60 * MINUTE_MS;
    again.note({ name: "two" }, concerns, weekMs);
    again.note({ name: "three" }, concerns, weekMs + 1);
    expect(names(again, "a:")).toEqual(["two", "three"]);
    for (let nth = 0; nth < 99; nth++) again.note({ name: `${nth}` }, concerns, weekMs + 2);
    expect([names(again, "a:").length, names(again, "a:")[0]]).toEqual([100, "three"]);
    expect(names(new Mirrors(sql), "a:")).toHaveLength(100);
  }));

test("versions that are replaced at about the same time are collected together, ten minutes after the last", () => {
  let all: ReplacedVersion[] = [];
  expect(collectableAt(all)).toBeUndefined();
  for (let at = 0; at < 10 * MINUTE_MS; at += 500) all = noteReplaced(all, 2 + at / 500, at);
  expect(all.length).toBeLessThanOrEqual(60);
  expect(all[0]).toEqual({ by: 21, since: 0, at: 9_500 });
  expect(collectableAt(all)).toBe(9_500 + 10 * MINUTE_MS);
});

describe("a tool whose answers are wrong", () => {
  const verdict = (matches: number, mismatches: number, more: object = {}) => ({
    tool: "constructor",
    matches,
    mismatches,
    staleMs: 10 * mismatches,
    maxMismatch: 0.1,
    ...more,
  });

  test("is stopped once there is enough to judge it by", () => {
    let { state, stop } = takeVerdicts(NOTHING_VERIFIED, [verdict(10, 9)]);
    expect(stop).toEqual([]);
    ({ state, stop } = takeVerdicts(state, [verdict(1, 0)]));
    expect(stop).toEqual(["constructor"]);
    expect(state.all).toEqual({ constructor: { matches: 11, mismatches: 9, staleMs: 90 } });
    state = noteStopped(state, "constructor", 100);
    expect(takeVerdicts(state, [verdict(0, 5)]).stop).toEqual([]);
    expect(takeVerdicts(NOTHING_VERIFIED, [verdict(18, 2)]).stop).toEqual([]);
    expect(takeVerdicts(NOTHING_VERIFIED, [verdict(0, 20, { maxMismatch: undefined })]).stop).toEqual([]);
  });

  test("is answered again after a pull that began after that, and judged anew", () => {
    const { state: wrong } = takeVerdicts(NOTHING_VERIFIED, [verdict(0, 20)]);
    const stopped = noteStopped(wrong, "constructor", 100);
    const early = afterPull(stopped, 99);
    expect(early.stopped).toEqual({ constructor: 100 });
    const late = afterPull(early, 101);
    expect(late).toEqual({ all: wrong.all, judged: {}, stopped: {} });
    expect(takeVerdicts(late, [verdict(0, 19)]).stop).toEqual([]);
    expect(takeVerdicts(late, [verdict(0, 20)]).stop).toEqual(["constructor"]);
  });

  test("is judged by what came since a pull, where that is enough", () => {
    const few = afterPull(takeVerdicts(NOTHING_VERIFIED, [verdict(19, 0)]).state, 1);
    expect(few.judged).toEqual({ constructor: { matches: 19, mismatches: 0 } });
    const enough = afterPull(takeVerdicts(few, [verdict(1, 0)]).state, 2);
    expect(enough.judged).toEqual({});
    expect(enough.all).toEqual({ constructor: { matches: 20, mismatches: 0, staleMs: 0 } });
  });
});
