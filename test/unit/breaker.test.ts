import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Breaker, type BreakerState } from "../../src/origin/Breaker.ts";

const START = 1_000_000;
const EVEN = 0.5;

/** A breaker with a clock. Calls are begun when they are told, unless `begunAt` says otherwise. */
function setUp(state?: Partial<BreakerState>) {
  const breaker = new Breaker(state);
  const clock = { now: START };
  return {
    breaker,
    clock,
    ok: (count = 1, begunAt = clock.now) => breaker.record({ ok: count, failed: 0 }, begunAt, clock.now),
    fail: (count = 1, begunAt = clock.now) => breaker.record({ ok: 0, failed: count }, begunAt, clock.now),
    claim: () => breaker.claim(clock.now),
    probed: (isWell: boolean) => breaker.probed(isWell, clock.now, EVEN),
    condition: () => breaker.state.condition,
    /** How long it is until the next probe. */
    waitMs: () => breaker.state.probeAt - clock.now,
  };
}

/** One that a probe has found down. */
function setUpDown() {
  const all = setUp();
  all.fail(5);
  all.claim();
  all.probed(false);
  return all;
}

describe("an origin comes into doubt", () => {
  test("with the fifth failure in half a minute, and not before", () => {
    const { clock, fail, condition } = setUp();
    fail(4);
    expect(condition()).toBe("well");
    clock.now += 30_000;
    fail();
    expect(condition()).toBe("doubted");
  });

  test("not by failures further apart", () => {
    const { clock, fail, condition } = setUp();
    for (let time = 0; time < 100; time++) {
      fail();
      clock.now += 8_000;
    }
    expect(condition()).toBe("well");
  });

  test("whatever was counted before the clock was set back", () => {
    const { clock, ok, fail, condition } = setUp();
    ok(1_000);
    clock.now -= 600_000;
    fail(5);
    expect(condition()).toBe("doubted");
  });

  test("where they are half of the calls, and not where they are less", () => {
    const { ok, fail, condition } = setUp();
    ok(6);
    fail(5);
    expect(condition()).toBe("well");
    fail();
    expect(condition()).toBe("doubted");
  });
});

describe("a probe", () => {
  test("is due at once where there is doubt, and settles it: the origin has not been down", () => {
    const { breaker, clock, fail, claim, probed } = setUp({ since: 7 });
    expect(claim()).toBe(false);
    fail(5);
    expect([claim(), claim()]).toEqual([true, false]);
    clock.now += 999;
    expect([breaker.isProbing(clock.now), breaker.isProbing(clock.now, 1_000)]).toEqual([true, true]);
    clock.now += 1;
    expect([breaker.isProbing(clock.now), breaker.isProbing(clock.now, 1_000)]).toEqual([true, false]);
    probed(true);
    expect(breaker.state).toMatchObject({ condition: "well", since: 7, changedAt: clock.now });
    expect(breaker.isProbing(clock.now)).toBe(false);
    // What was counted has been judged.
    fail(4);
    expect(breaker.isWell).toBe(true);
  });

  test("that fails is made again after a second, two, four, up to thirty", () => {
    const { clock, claim, probed, waitMs } = setUpDown();
    const waits: number[] = [];
    for (let time = 0; time < 8; time++) {
      waits.push(waitMs());
      clock.now += waitMs() - 1;
      expect(claim()).toBe(false);
      clock.now += 1;
      expect(claim()).toBe(true);
      probed(false);
    }
    expect(waits).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
  });

  test.each([
    [0, 800],
    [1, 1_200],
  ])("is spread: with chance %f it is made after %f ms", (chance, ms) => {
    const { breaker, clock, fail, claim, waitMs } = setUp();
    fail(5);
    claim();
    breaker.probed(false, clock.now, chance);
    expect(waitMs()).toBeCloseTo(ms);
  });

  test("that succeeds ends the outage, and one of which nothing is heard is made again", () => {
    const { breaker, clock, claim, probed } = setUpDown();
    const down = clock.now;
    expect(breaker.state).toMatchObject({ condition: "down", since: down });
    clock.now += 1_000;
    expect(claim()).toBe(true);
    clock.now += 5_999;
    expect(claim()).toBe(false);
    clock.now += 1;
    expect(claim()).toBe(true);
    probed(true);
    expect(breaker.state).toMatchObject({ condition: "well", since: clock.now });
  });
});

test("calls that were begun before it was well again are no news, whenever they fail", () => {
  const { clock, claim, probed, fail, condition } = setUpDown();
  const begunAt = clock.now;
  clock.now += 1_000;
  claim();
  probed(true);
  fail(100, begunAt);
  expect(condition()).toBe("well");
  fail(5);
  expect(condition()).toBe("doubted");
});

test("one that was well for a minute is given a second again, and one that was not the next longer time", () => {
  const again = (afterMs: number) => {
    const { clock, claim, probed, fail, waitMs } = setUpDown();
    for (let time = 0; time < 2; time++) {
      clock.now += waitMs();
      claim();
      probed(false);
    }
    clock.now += waitMs();
    claim();
    probed(true);
    clock.now += afterMs;
    fail(5);
    claim();
    probed(false);
    return waitMs();
  };
  expect([again(59_999), again(60_000)]).toEqual([8_000, 1_000]);
});

test("what another has found is taken in: until when to leave it alone, and that it is well", () => {
  const { breaker, clock, waitMs, claim } = setUp();
  breaker.open(clock.now + 10_000, clock.now, EVEN);
  expect([breaker.state.condition, waitMs()]).toEqual(["down", 10_000]);
  breaker.close(clock.now);
  breaker.open(clock.now + 86_400_000, clock.now, EVEN);
  expect(waitMs()).toBe(30_000);
  breaker.close(clock.now);
  breaker.open(0, clock.now, EVEN);
  // In a while, not at once: many may have heard it.
  expect(waitMs()).toBeGreaterThanOrEqual(1_000);
  expect(claim()).toBe(false);
});

test("it goes on from what is kept of it", () => {
  const { breaker, clock } = setUpDown();
  const other = new Breaker(JSON.parse(JSON.stringify(breaker.state)) as BreakerState);
  expect(other.state).toEqual(breaker.state);
  clock.now += 1_000;
  expect(other.claim(clock.now)).toBe(true);
});

describe("whatever happens", () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant("ok" as const), count: fc.nat(20), ageMs: fc.nat(20_000) }),
    fc.record({ kind: fc.constant("failed" as const), count: fc.nat(20), ageMs: fc.nat(20_000) }),
    fc.record({ kind: fc.constant("pass" as const), ms: fc.oneof(fc.nat(2_000), fc.nat(40_000)) }),
    fc.record({ kind: fc.constant("claim" as const) }),
    fc.record({ kind: fc.constant("probed" as const), isWell: fc.boolean() }),
    fc.record({ kind: fc.constant("open" as const), inMs: fc.integer({ min: -100_000, max: 100_000 }) }),
    fc.record({ kind: fc.constant("close" as const) }),
  );
  const back = fc.record({ kind: fc.constant("pass" as const), ms: fc.integer({ min: -10_000_000, max: 40_000 }) });
  type Step = typeof step extends fc.Arbitrary<infer One> ? One : never;

  /** Takes the steps, and shows each to `look`, with what it did. */
  function run(steps: readonly Step[], look: (breaker: Breaker, now: number, step: Step, did: unknown) => void): void {
    const breaker = new Breaker();
    let now = 100_000_000;
    for (const one of steps) {
      let did: unknown;
      if (one.kind === "ok") breaker.record({ ok: one.count, failed: 0 }, now - one.ageMs, now);
      else if (one.kind === "failed") breaker.record({ ok: 0, failed: one.count }, now - one.ageMs, now);
      else if (one.kind === "pass") now += one.ms;
      else if (one.kind === "claim") did = breaker.claim(now);
      else if (one.kind === "open") breaker.open(now + one.inMs, now, EVEN);
      else if (one.kind === "close") breaker.close(now);
      else if ((did = breaker.isProbing(now))) breaker.probed(one.isWell, now, EVEN);
      look(breaker, now, one, did);
    }
  }

  test("it comes into doubt only at the threshold, judged by a plain count", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        let told: { at: number; ok: number; failed: number }[] = [];
        let before: BreakerState["condition"] = "well";
        let wellSince = 0;
        run(steps, ({ state: { condition } }, now, one) => {
          const isCounted = (one.kind === "ok" || one.kind === "failed") && now - one.ageMs >= wellSince;
          if (isCounted && before === "well") told.push({ at: now, ok: 0, failed: 0, [one.kind]: one.count });
          // Told by the second: one that is older than 31 s surely does not count, one of up to 29 s surely does.
          const within = (ms: number) => told.filter(({ at }) => now - at <= ms);
          const sum = (name: "ok" | "failed", ms: number) => within(ms).reduce((all, each) => all + each[name], 0);
          if (before === "well" && condition === "doubted") {
            expect(sum("failed", 31_000)).toBeGreaterThanOrEqual(5);
            expect(sum("failed", 31_000)).toBeGreaterThanOrEqual(sum("ok", 29_000));
          }
          const isOver = sum("failed", 29_000) >= 5 && sum("failed", 29_000) >= sum("ok", 31_000);
          if (isCounted && one.kind === "failed" && one.count > 0 && before === "well" && isOver)
            expect(condition).toBe("doubted");
          if (before !== "well" && condition === "well") {
            told = [];
            wellSince = now;
          }
          before = condition;
        });
      }),
    );
  });

  test("there is one probe at a time, and while it is down one a period", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        let claimedAt: number | undefined;
        let failedAt: number | undefined;
        run(steps, (breaker, now, one, did) => {
          if (one.kind === "claim" && did) {
            if (claimedAt !== undefined) expect(now - claimedAt).toBeGreaterThanOrEqual(6_000);
            if (failedAt !== undefined) expect(now - failedAt).toBeGreaterThanOrEqual(1_000);
            claimedAt = now;
          }
          const isJudged = (one.kind === "probed" && did) || one.kind === "open";
          if (isJudged || breaker.isWell) claimedAt = undefined;
          if (isJudged) failedAt = now;
          if (breaker.isWell) failedAt = undefined;
        });
      }),
    );
  });

  test("also where the clock is set back: it can be probed within 36 s, and closed", () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(step, back), { maxLength: 80 }), (steps) => {
        run(steps, (breaker, now) => {
          const other = new Breaker(breaker.state);
          if (other.isWell) return;
          const at = Array.from({ length: 37 }, (_, second) => now + second * 1_000).find((then) => other.claim(then));
          expect(at).toBeDefined();
          other.probed(true, at!, EVEN);
          expect(other.isWell).toBe(true);
        });
      }),
    );
  });

  test("also where the clock is set back: an outage is noticed, and what is counted is bounded", () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(step, back), { maxLength: 80 }),
        fc.integer({ min: -1e8, max: 1e8 }),
        (steps, ms) => {
          let last!: Breaker;
          let then = 100_000_000;
          run(steps, (breaker, now) => {
            last = breaker;
            then = now;
          });
          const now = then + ms;
          const breaker = last ?? new Breaker();
          breaker.close(now);
          const { ok, failed } = breaker.recent(now);
          breaker.record({ ok: 0, failed: ok + 5 }, now, now);
          expect([failed <= 20 * steps.length, breaker.isWell]).toEqual([true, false]);
        },
      ),
    );
  });
});
