import fc from "fast-check";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { ToolBounds } from "../../src/config/replica.ts";
import { resolve } from "../../src/config/resolve.ts";
import type { Exchange } from "../../src/lanes/Exchange.ts";
import { mayAsk } from "../../src/lanes/mayAsk.ts";
import { Gate } from "../../src/origin/Gate.ts";
import { FeedView } from "../../src/sync/FeedView.ts";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const EXPENSIVE: ToolBounds = { name: "t", limiter: undefined, budget: undefined, isExpensive: true };
const CHEAP: ToolBounds = { ...EXPENSIVE, isExpensive: false };

/** Requests of one isolate. Probes are told what they have found by the test. */
function setUp(enabled = true) {
  const origin = resolve({ origins: { o: { service: "ORIGIN" } } }).origins.get("o")!;
  const feed = new FeedView(() => "i");
  const clock = { now: 1_000_000_000 };
  const x = {
    replica: { enabled },
    origin,
    feed,
    isolate: { eras: new Map() },
    env: { ORIGIN: { fetch: () => new Promise(() => {}) } },
    waitUntil: () => {},
    report: () => {},
    now: () => clock.now,
    random: () => 0.5,
  } as unknown as Exchange;
  const { health } = feed;
  const fail = () => health.record({ ok: false, reason: "timeout" }, clock.now, clock.now);
  return { x, clock, health, fail };
}

test("while all is well nothing is refused, and nobody waits", () => {
  const { x } = setUp();
  expect([mayAsk(x, EXPENSIVE, true), mayAsk(x, CHEAP, true), mayAsk(x, undefined, true)]).toEqual([
    undefined,
    undefined,
    undefined,
  ]);
});

test("while the origin is in doubt what is expensive is refused at once, and others wait for the probe", async () => {
  const { x, clock, health, fail } = setUp();
  for (let nth = 0; nth < 5; nth++) fail();
  expect(mayAsk(x, EXPENSIVE, true)).toEqual({ kind: "shed", retryAfterMs: expect.any(Number) });
  // It has begun the probe all the same.
  expect(health.breaker.isProbing(clock.now)).toBe(true);
  const waits = mayAsk(x, CHEAP, true);
  health.probed({ ok: true }, clock.now, clock.now, 0.5);
  await vi.advanceTimersByTimeAsync(50);
  expect(await waits).toBeUndefined();
  expect(mayAsk(x, EXPENSIVE, true)).toBeUndefined();
});

test("for ten seconds after a call has found no room what is expensive is refused, and nothing else", () => {
  const { x, clock, health } = setUp();
  health.crowded(clock.now);
  expect(mayAsk(x, EXPENSIVE, true)).toEqual({ kind: "shed", retryAfterMs: 10_000 });
  expect(mayAsk(x, CHEAP, true)).toBeUndefined();
  clock.now += 9_999;
  expect(mayAsk(x, EXPENSIVE, false)).toEqual({ kind: "shed", retryAfterMs: 1 });
  clock.now += 1;
  expect(mayAsk(x, EXPENSIVE, false)).toBeUndefined();
  // A clock that goes back does not make it longer.
  clock.now -= 3_600_000;
  expect(mayAsk(x, EXPENSIVE, false)).toEqual({ kind: "shed", retryAfterMs: 10_000 });
});

test("with the cache switched off every call is relayed, expensive or not", () => {
  const { x, clock, health, fail } = setUp(false);
  for (let nth = 0; nth < 5; nth++) fail();
  health.crowded(clock.now);
  expect(mayAsk(x, EXPENSIVE, true)).toBeUndefined();
});

test("whatever becomes of the origin, where a call is refused for its load or failures no expensive one is let through", () => {
  const step = fc.record({
    waitMs: fc.integer({ min: 0, max: 20_000 }),
    what: fc.constantFrom("ok", "fail", "fail", "crowded", "well", "unwell"),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), fc.boolean(), (steps, expensiveFirst) => {
      const { x, clock, health, fail } = setUp();
      for (const { waitMs, what } of steps) {
        clock.now += waitMs;
        if (what === "ok") health.record({ ok: true }, clock.now, clock.now);
        else if (what === "fail") fail();
        else if (what === "crowded") health.crowded(clock.now);
        else
          health.probed(what === "well" ? { ok: true } : { ok: false, reason: "timeout" }, clock.now, clock.now, 0.5);
        const ask = (bounds: ToolBounds) => mayAsk(x, bounds, false);
        const [expensive, cheap] = expensiveFirst
          ? [ask(EXPENSIVE), ask(CHEAP)]
          : [ask(CHEAP), ask(EXPENSIVE)].reverse();
        const isRefused = cheap !== undefined || what === "crowded";
        if (isRefused) expect(expensive).toMatchObject({ kind: "shed" });
      }
    }),
    { numRuns: 300 },
  );
});

test("where calls wait for room at the origin, and one waits in vain, no expensive one is let through meanwhile", async () => {
  const step = fc.record({ afterMs: fc.nat(50), isExpensive: fc.boolean(), lastsMs: fc.integer({ min: 1, max: 400 }) });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), fc.integer({ min: 1, max: 3 }), async (steps, room) => {
      const gate = new Gate(room);
      const letThrough: number[] = [];
      const refused: { from: number; to: number }[] = [];
      for (const { afterMs, isExpensive, lastsMs } of steps) {
        await vi.advanceTimersByTimeAsync(afterMs);
        const from = Date.now();
        const task = () => {
          if (isExpensive) letThrough.push(Date.now());
          return new Promise<true>((done) => setTimeout(() => done(true), lastsMs));
        };
        void gate.run(task, isExpensive ? 0 : 100).then((ran) => {
          if (!ran && !isExpensive) refused.push({ from, to: Date.now() });
        });
      }
      await vi.advanceTimersByTimeAsync(60_000);
      for (const { from, to } of refused) expect(letThrough.filter((at) => at > from && at < to)).toEqual([]);
    }),
    { numRuns: 40 },
  );
});
