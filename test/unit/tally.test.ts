import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { resolve } from "../../src/config/resolve.ts";
import { labelOf } from "../../src/lanes/labelOf.ts";
import { Catalogue } from "../../src/mcp/Catalogue.ts";
import { Totals } from "../../src/sync/Totals.ts";
import type { Counted } from "../../src/telemetry/Counted.ts";
import { AGE_MS, DURATION_MS } from "../../src/telemetry/Histogram.ts";
import { prometheus } from "../../src/telemetry/prometheus.ts";
import { Tally, type Operation } from "../../src/telemetry/Tally.ts";

const operation = (change: Partial<Operation> = {}): Operation => ({
  method: "tools/call",
  target: "t",
  result: "hit",
  durationMs: 0,
  ageMs: undefined,
  isSaved: false,
  ...change,
});
/** Counts the operations: what the tally then says. */
function counted(operations: Partial<Operation>[], tally = new Tally((_, target) => target)): Counted {
  for (const one of operations) tally.count(operation(one));
  return tally.take()!.counted;
}
const series = ({ operations }: Counted) => operations.map(({ method, name }) => `${method} ${name}`.trim());

describe("operations are counted", () => {
  test("by method, name and how they were answered", () => {
    const { operations } = counted([{}, {}, { result: "stale" }, { target: "u" }, { method: "ping", target: null }]);
    const none = { hit: 0, stale: 0, miss: 0, relay: 0, local: 0, error: 0 };
    expect(operations).toEqual([
      { method: "ping", name: "", counts: { ...none, hit: 1 } },
      { method: "tools/call", name: "t", counts: { ...none, hit: 2, stale: 1 } },
      { method: "tools/call", name: "u", counts: { ...none, hit: 1 } },
    ]);
  });

  test("by what they took and by the age of their answers, each in its bucket", () => {
    const took = counted([0, 1, 1.5, 60_000, 60_001].map((durationMs) => ({ durationMs }))).durations[0]!.histogram;
    expect([took.counts[0], took.counts[1], took.counts.at(-2), took.counts.at(-1)]).toEqual([2, 1, 1, 1]);
    expect([took.sum, took.counts.length]).toEqual([120_003.5, DURATION_MS.length + 1]);
    const { ages } = counted([{ ageMs: 1_000 }, { ageMs: 1_001 }, { ageMs: 1e12 }, { result: "miss", ageMs: 0 }, {}]);
    expect([ages.counts[0], ages.counts[1], ages.counts.at(-1), ages.counts.length]).toEqual([
      1,
      1,
      1,
      AGE_MS.length + 1,
    ]);
  });

  test("by those that spared the origin a call, and when it was last asked", () => {
    const tally = new Tally(() => undefined);
    tally.refreshed(7);
    tally.refreshed(5);
    expect(counted([{ isSaved: true }, { isSaved: true }, {}], tally)).toMatchObject({ saved: 2, refreshedAt: 7 });
  });

  test("the methods that callers make up together, and names only where a method has them", () => {
    const made = ["x", "tools/Call", "__proto__", "constructor", "", undefined].map((method) => ({ method }));
    expect(series(counted([...made, { method: "ping" }]))).toEqual(["ping", "other"]);
  });

  test("the names that nobody knows together", () => {
    const tally = new Tally((_, target) => (target.startsWith("real") ? target : undefined));
    const names = ["real", "made up", "__proto__", "", null, "x".repeat(1e6)];
    expect(
      series(
        counted(
          names.map((target) => ({ target })),
          tally,
        ),
      ),
    ).toEqual(["tools/call real", "tools/call other"]);
  });

  test("under names that stay different when they are written: as many series as lines", () => {
    const names = ["\uD800", "\uD801", `${"y".repeat(127)}😀`, "\uFFFD"];
    const all = series(counted(names.map((target) => ({ target }))));
    expect(all.filter((one) => !one.isWellFormed()).length).toBe(0);
    expect(all.length).toBe(2);
  });

  test("with at most two hundred names, of at most 128 characters, whatever comes", () => {
    const names = fc.array(
      fc.record({ method: fc.constantFrom("tools/call", "prompts/get", "resources/read"), target: fc.string() }),
      {
        minLength: 300,
        maxLength: 600,
      },
    );
    fc.assert(
      fc.property(names, (operations) => {
        const { operations: all } = counted([...operations, { target: "y".repeat(500) }]);
        const named = all.filter(({ name }) => name !== "other");
        expect(named.length).toBeLessThanOrEqual(200);
        expect(Math.max(...named.map(({ name }) => name.length))).toBeLessThanOrEqual(128);
        const sum = all.flatMap(({ counts }) => Object.values(counts)).reduce((a, b) => a + b);
        expect(sum).toBe(operations.length + 1);
      }),
      { numRuns: 20 },
    );
  });
});

describe("comparisons with the origin are counted", () => {
  const compared = (comparisons: [tool: string, staleMs?: number][], tally = new Tally((_, target) => target)) => {
    for (const [tool, staleMs] of comparisons) tally.countVerified({ tool, lane: "cache", staleMs });
    return tally.take()!.counted;
  };

  test("by tool and lane, with the age of the oldest that was wrong and of all of them", () => {
    const tally = new Tally((_, target) => (target === "made up" ? undefined : target));
    tally.countVerified({ tool: "t", lane: "mirror", staleMs: undefined });
    const { verified, staleness } = compared([["t"], ["t", 4_000], ["t", 900], ["made up", 0]], tally);
    expect(verified).toEqual([
      { name: "t", lane: "mirror", matches: 1, mismatches: 0, staleMs: 0 },
      { name: "t", lane: "cache", matches: 1, mismatches: 2, staleMs: 4_000 },
      { name: "other", lane: "cache", matches: 0, mismatches: 1, staleMs: 0 },
    ]);
    expect([staleness!.counts.slice(0, 2), staleness!.sum]).toEqual([[2, 1], 4_900]);
    tally.taken(tally.take()!);
    tally.count(operation());
    expect(tally.take()).not.toHaveProperty("counted.verified");
  });

  test("are added up, also with what an earlier version of the Worker has counted and kept", () => {
    const { verified: _, staleness: __, ...earlier } = new Totals(undefined, 0).all;
    let totals = new Totals(earlier, 9);
    totals.add("a", { nth: 1, counted: counted([{}]) });
    totals.add("a", { nth: 2, counted: compared([["t"], ["t", 4_000]]) });
    totals = new Totals(structuredClone(totals.all), 9);
    totals.add("b", { nth: 1, counted: compared([["t", 70_000], ["u"]]) });
    expect(totals.all.verified).toEqual([
      { name: "t", lane: "cache", matches: 1, mismatches: 2, staleMs: 70_000 },
      { name: "u", lane: "cache", matches: 1, mismatches: 0, staleMs: 0 },
    ]);
    expect(totals.all.staleness).toMatchObject({ sum: 74_000 });
  });

  test("by two hundred tools, and the rest together", () => {
    const { verified } = compared(Array.from({ length: 300 }, (_, nth): [string] => [`t${nth}`]));
    expect(verified).toHaveLength(201);
    expect(verified!.at(-1)).toMatchObject({ name: "other", matches: 100 });
  });
});

describe("what goes on", () => {
  test("is counted until it ends, or its caller must have gone", () => {
    const tally = new Tally(() => undefined);
    const [first] = [tally.enter(1), tally.enter(2), tally.enter(3)];
    expect(tally.active(0)).toBe(3);
    tally.leave(first!);
    expect(tally.active(0)).toBe(2);
    expect(tally.active(3)).toBe(1);
    expect(tally.active(0)).toBe(1);
  });

  test("is bounded", () => {
    const tally = new Tally(() => undefined);
    for (let nth = 0; nth < 10_500; nth++) tally.enter(nth);
    expect(tally.active(0)).toBe(10_000);
  });
});

describe("the names that are known", () => {
  const cache = { ttl: "1m" } as const;
  const origin = resolve({
    origins: {
      o: {
        service: "S",
        tools: { exact: { cache }, "get_*": { cache } },
        prompts: { "p*": { cache } },
        resources: { "x://*": { cache }, "x://exact": { cache } },
      },
    },
  }).origins.get("o")!;
  const catalogue = new Catalogue();
  catalogue.learn([
    ["listed", {} as never],
    ["get_listed", {} as never],
  ]);

  test.each([
    ["tools/call", "exact", "exact"],
    ["tools/call", "listed", "listed"],
    ["tools/call", "get_listed", "get_listed"],
    ["tools/call", "get_made_up", "get_*"],
    ["tools/call", "made up", undefined],
    ["prompts/get", "p1", "p*"],
    ["prompts/get", "listed", undefined],
    ["resources/read", "x://exact", "x://exact"],
    ["resources/read", "x://secret/7", "x://*"],
    ["resources/read", "y://1", undefined],
  ])("%s %s is counted as %s", (method, target, label) => {
    expect(labelOf(origin, catalogue, method, target)).toBe(label);
  });
});

describe("totals", () => {
  const delta = (nth: number, operations: Partial<Operation>[] = [{}]) => ({ nth, counted: counted(operations) });
  const hits = (totals: Totals) => totals.all.operations.reduce((sum, { counts }) => sum + counts.hit, 0);

  test("take in what an isolate says once, however often it says it", () => {
    const totals = new Totals(undefined, 5);
    for (const nth of [1, 1, 2, 1, 2]) totals.add("a", delta(nth));
    totals.add("b", delta(1));
    expect(hits(totals)).toBe(3);
    expect(totals.all).toMatchObject({ since: 5, pulses: 0 });
  });

  test("are the sum of everything said, in whatever parts, also where they are kept and read in between", () => {
    const said = fc.array(
      fc.record({
        isolate: fc.constantFrom("a", "b", "c"),
        isKept: fc.boolean(),
        operations: fc.array(
          fc.record({
            target: fc.constantFrom("t", "u", "v"),
            result: fc.constantFrom("hit" as const, "miss" as const, "error" as const),
            durationMs: fc.nat(100_000),
            ageMs: fc.option(fc.nat(1e9), { nil: undefined }),
            isSaved: fc.boolean(),
          }),
          { minLength: 1 },
        ),
      }),
      { minLength: 1 },
    );
    fc.assert(
      fc.property(said, (parts) => {
        let totals = new Totals(undefined, 0);
        const nths = new Map<string, number>();
        for (const { isolate, isKept, operations } of parts) {
          const nth = (nths.get(isolate) ?? 0) + 1;
          nths.set(isolate, nth);
          totals.add(isolate, delta(nth, operations));
          if (isKept) totals = new Totals(structuredClone(totals.all), 99);
        }
        const whole = new Totals(undefined, 0);
        whole.add(
          "all",
          delta(
            1,
            parts.flatMap(({ operations }) => operations),
          ),
        );
        const sorted = ({ all }: Totals) => ({
          ...all,
          operations: all.operations.toSorted((a, b) => (a.name < b.name ? -1 : 1)),
        });
        expect(sorted(totals)).toEqual(sorted(whole));
      }),
    );
  });

  test("count by a thousand names, and the rest together", () => {
    const totals = new Totals(undefined, 0);
    for (let isolate = 0; isolate < 20; isolate++) {
      totals.add(
        `i${isolate}`,
        delta(
          1,
          Array.from({ length: 150 }, (_, nth) => ({ target: `${isolate} ${nth}` })),
        ),
      );
    }
    expect(totals.all.operations).toHaveLength(1_001);
    expect(hits(totals)).toBe(3_000);
  });

  test("tell of the isolates that were heard lately, and forget the rest", () => {
    const totals = new Totals(undefined, 0);
    totals.pulse("a", { active: 2, lagMs: 5 }, 0);
    totals.pulse("b", { active: 3, lagMs: 9 }, 90_000);
    expect(totals.isolates(90_000)).toEqual({ count: 2, active: 5, lagMs: 9 });
    totals.pulse("b", { active: 1, lagMs: 1 }, 90_001);
    expect(totals.isolates(90_001)).toEqual({ count: 1, active: 1, lagMs: 1 });
    // Who only shows what was counted has not pulsed.
    totals.add("c", delta(1));
    expect(totals.isolates(90_001).count).toBe(1);
    for (let nth = 0; nth < 6_000; nth++) totals.pulse(`i${nth}`, { active: 1, lagMs: 0 }, 90_002);
    expect(totals.isolates(90_002).count).toBe(5_000);
    expect(totals.all.pulses).toBe(6_003);
  });
});

test("in Prometheus's format labels cannot break out, and buckets add up", () => {
  const text = prometheus([
    { name: "c", type: "counter", help: "h", samples: [{ labels: { l: 'a"b\\c\nd' }, value: 1 }] },
    {
      name: "h",
      type: "histogram",
      help: "h",
      samples: [{ labels: {}, value: { histogram: { counts: [1, 2, 3], sum: 1_500 }, boundsMs: [500, 1_000] } }],
    },
    { name: "none", type: "gauge", help: "h", samples: [] },
  ]);
  expect(text).toBe(
    [
      "# HELP c h",
      "# TYPE c counter",
      String.raw`c{l="a\"b\\c\nd"} 1`,
      "# HELP h h",
      "# TYPE h histogram",
      'h_bucket{le="0.5"} 1',
      'h_bucket{le="1"} 3',
      'h_bucket{le="+Inf"} 6',
      "h_sum{} 1.5",
      "h_count{} 6",
      "",
    ].join("\n"),
  );
});
