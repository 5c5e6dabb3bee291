import { describe, expect, test } from "vitest";
import { cacheStatus } from "../../src/cache/cacheStatus.ts";
import { resolve } from "../../src/config/resolve.ts";
import type { Exchange } from "../../src/lanes/Exchange.ts";
import { inStep } from "../../src/lanes/inStep.ts";
import { isDetached } from "../../src/lanes/isDetached.ts";
import { FeedView } from "../../src/sync/FeedView.ts";
import type { PulseRequest } from "../../src/sync/Pulse.ts";
import { Tally } from "../../src/telemetry/Tally.ts";
import { emptyIsolate } from "./emptyIsolate.ts";

const PULSE_MS = 1_000;

/** An isolate, and whether its object can be reached. */
function setUp() {
  const object = { isUp: true };
  const clock = { now: 1_000_000 };
  const background: Promise<unknown>[] = [];
  const view = new FeedView(() => "i");
  const tally = new Tally(() => undefined);
  const counted = { detached: 0 };
  const pulse = async (request: PulseRequest) => {
    if (!object.isUp) throw new Error("no such object");
    counted.detached += request.tally?.counted.detached ?? 0;
    return { feedId: "f", seq: 0, floor: 0, hardFloor: 0, changes: [] };
  };
  const x = {
    replica: { enabled: true },
    origin: resolve({ origins: { o: { service: "S", sync: { pulse: "1s" } } } }).origins.get("o"),
    feed: view,
    isolate: emptyIsolate(),
    env: { ORIGIN_SYNC: { idFromName: String, get: () => ({ pulse }) } },
    now: () => clock.now,
    random: () => 0.5,
    waitUntil: (work: Promise<unknown>) => void background.push(work),
    report: () => {},
    tally,
  } as unknown as Exchange;
  /** A request comes, and what it has begun comes to its end. */
  const arrive = async () => {
    if (clock.now >= view.dueAt) await inStep(x, clock.now);
    const given = isDetached(x);
    await Promise.all(background);
    return given;
  };
  return { object, clock, counted, arrive };
}

describe("an isolate is detached", () => {
  test("not while its pulses are answered", async () => {
    const { clock, counted, arrive } = setUp();
    for (let time = 0; time < 10; time++) {
      expect(await arrive()).toBe(false);
      clock.now += PULSE_MS;
    }
    expect(counted.detached).toBe(0);
  });

  test("once more than three pulses have gone by that it asked in and heard nothing, until it is answered", async () => {
    const { object, clock, counted, arrive } = setUp();
    await arrive();
    object.isUp = false;
    const given: boolean[] = [];
    for (let time = 1; time <= 5; time++) {
      clock.now += PULSE_MS;
      given.push(await arrive());
    }
    expect(given).toEqual([false, false, false, true, true]);
    object.isUp = true;
    clock.now += PULSE_MS;
    await arrive();
    expect(await arrive()).toBe(false);
    clock.now += PULSE_MS;
    await arrive();
    expect(counted.detached).toBeGreaterThanOrEqual(2);
  });

  test("not after a pause in which nobody asked, however long, where it is answered then", async () => {
    const { clock, arrive } = setUp();
    await arrive();
    clock.now += 1_000 * PULSE_MS;
    expect(await arrive()).toBe(false);
  });

  test("at once, where it has not asked for so long, and is not answered then", async () => {
    const { object, clock, arrive } = setUp();
    await arrive();
    object.isUp = false;
    clock.now += 1_000 * PULSE_MS;
    expect(await arrive()).toBe(true);
  });

  test("at once, where it has never heard of the feed", async () => {
    const { object, clock, arrive } = setUp();
    object.isUp = false;
    expect(await arrive()).toBe(true);
    object.isUp = true;
    clock.now += PULSE_MS;
    await arrive();
    expect(await arrive()).toBe(false);
  });
});

test("Cache-Status says so, after what else it says", () => {
  expect(cacheStatus({ kind: "hit", ttlMs: 5_000, detail: "kv", detached: true })).toBe(
    "edge-replica; hit; ttl=5; detail=kv; detached",
  );
  expect(cacheStatus({ kind: "stale-if-error", ttlMs: -5_000, status: 503, detached: true })).toBe(
    "edge-replica; fwd=stale; fwd-status=503; ttl=-5; detail=stale-if-error; detached",
  );
});
