import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, test } from "vitest";
import { resolve } from "../../src/config/resolve.ts";
import { endingOf } from "../../src/origin/endingOf.ts";
import type { OriginFailure } from "../../src/origin/failure.ts";
import type { Outcomes } from "../../src/sync/Health.ts";
import { HealthView } from "../../src/sync/HealthView.ts";
import { KeptHealth } from "../../src/sync/KeptHealth.ts";

const { settings } = resolve({ origins: { o: { service: "ORIGIN" } } }).origins.get("o")!;
const START = 1_000_000_000;
const EVEN = 0.5;

describe.each<[OriginFailure | undefined, unknown]>([
  [undefined, { ok: true }],
  [{ kind: "unreachable" }, { ok: false, reason: "unreachable" }],
  [
    { kind: "timeout", afterMs: 1 },
    { ok: false, reason: "timeout" },
  ],
  [
    { kind: "status", status: 500 },
    { ok: false, reason: "HTTP 500" },
  ],
  [
    { kind: "status", status: 503, reply: "sorry" },
    { ok: false, reason: "HTTP 503" },
  ],
  [{ kind: "status", status: 429 }, { ok: true }],
  [{ kind: "refused", status: 401 }, { ok: true }],
  [{ kind: "garbage", detail: "no JSON", status: 404 }, { ok: true }],
  [{ kind: "asked-back" }, { ok: true }],
  [{ kind: "busy", retryAfterMs: 1 }, undefined],
  [{ kind: "misconfigured", detail: "no secret" }, undefined],
  [{ kind: "down", retryAfterMs: 1 }, undefined],
])("of a call that ended with %j", (failure, says) => {
  test(`the origin's health is told ${JSON.stringify(says)}`, () => expect(endingOf(failure)).toEqual(says));
});

describe("an isolate", () => {
  const bad = { ok: false, reason: "timeout" } as const;
  const good = { ok: true } as const;
  const down = (since: number) => ({ state: "down", since, retryAt: since + 1_000, reason: "HTTP 503" }) as const;
  const up = (since: number) => ({ state: "up", since }) as const;

  test("reports each call once, and again what did not arrive", () => {
    const view = new HealthView();
    expect(view.take()).toBeUndefined();
    view.record(good, 1, START);
    view.record(bad, 2, START);
    view.probed(bad, 3, START, EVEN);
    const outcomes = view.take()!;
    expect(outcomes).toEqual({ ok: 1, failed: 2, okAt: 1, failedAt: 3, reason: "timeout" });
    expect(view.take()).toBeUndefined();
    view.record(good, 4, START);
    view.giveBack(outcomes);
    expect(view.take()).toEqual({ ok: 2, failed: 2, okAt: 4, failedAt: 3, reason: "timeout" });
    view.giveBack(outcomes);
    expect(view.take()).toEqual(outcomes);
  });

  test("goes by itself where it hears nothing", () => {
    const view = new HealthView();
    for (let time = 0; time < 5; time++) view.record(bad, START, START);
    // Nothing is known for sure.
    expect([view.state, view.breaker.isWell]).toEqual(["up", false]);
    view.breaker.claim(START);
    view.probed(bad, START, START, EVEN);
    expect([view.state, view.reason]).toEqual(["down", "timeout"]);
    // A probe that could not be made says nothing against it.
    view.probed(undefined, START, START, EVEN);
    expect(view.state).toBe("up");
  });

  test("takes in that it is down, and up, once, and nothing that is older", () => {
    const view = new HealthView();
    view.hear(undefined, START, EVEN);
    view.hear(down(START - 10), START, EVEN);
    expect([view.state, view.reason]).toEqual(["down", "HTTP 503"]);
    view.hear(up(START - 5), START, EVEN);
    // It has found that by itself, later.
    expect(view.state).toBe("down");
    view.hear(up(START + 1), START + 2, EVEN);
    expect(view.state).toBe("up");
    view.hear(down(START + 1), START + 3, EVEN);
    expect(view.state).toBe("up");
    view.hear(down(START + 3), START + 4, EVEN);
    expect(view.state).toBe("down");
    // Its own probe has succeeded since: what is told goes on, and is from before.
    view.probed(good, START + 5, START + 5, EVEN);
    view.hear(down(START + 3), START + 6, EVEN);
    view.hear(down(START + 4), START + 6, EVEN);
    expect(view.state).toBe("up");
  });

  test("that is down already keeps to its own next probe", () => {
    const view = new HealthView();
    view.breaker.open(0, START, EVEN);
    const { probeAt } = view.breaker.state;
    view.hear({ ...down(START + 1), retryAt: START + 20_000 }, START + 2, EVEN);
    expect(view.breaker.state.probeAt).toBe(probeAt);
  });
});

describe("what all isolates are told", () => {
  const stubOf = (name: string) => env.ORIGIN_SYNC.get(env.ORIGIN_SYNC.idFromName(`health ${name}`));
  const failing = (failed: number, at: number, ok = 0): Outcomes => ({ ok, failed, failedAt: at, reason: "timeout" });

  /** An origin's health in real storage, with a clock, and probes that find what they are told to find. */
  async function inStorage(
    name: string,
    use: (all: {
      clock: { now: number };
      probes: string[];
      found: { failure: OriginFailure | undefined };
      begin: () => KeptHealth;
    }) => Promise<void>,
  ): Promise<void> {
    await runInDurableObject(stubOf(name), async (_, { storage: { sql } }) => {
      sql.exec("DELETE FROM health");
      const clock = { now: START };
      const probes: string[] = [];
      const found: { failure: OriginFailure | undefined } = { failure: { kind: "unreachable" } };
      const probe = async ({ id }: { id: string }, isLegacy: boolean) => {
        probes.push(`${id}${isLegacy ? " legacy" : ""}`);
        return endingOf(found.failure);
      };
      const begin = () => new KeptHealth({ sql, now: () => clock.now, random: () => EVEN, probe });
      await use({ clock, probes, found, begin });
    });
  }

  test("comes from what they all say together, and a probe", () =>
    inStorage("a", async ({ clock, probes, begin }) => {
      const health = begin();
      expect(health.published()).toEqual({ state: "up", since: START });
      clock.now += 1_000;
      health.pulsed({ origin: settings, outcomes: failing(3, clock.now, 2) });
      health.pulsed({ origin: settings });
      expect(health.dueAt()).toBeUndefined();
      health.pulsed({
        origin: settings,
        interest: { wantsListen: false, modern: false, lists: [], uris: [] },
        outcomes: failing(2, clock.now),
      });
      expect(health.dueAt()).toBe(clock.now);
      expect(health.published()).toEqual({ state: "up", since: START });
      await health.run();
      // Called again for what it has done.
      await health.run();
      expect(probes).toEqual(["o legacy"]);
      const { now } = clock;
      expect(health.published()).toEqual({ state: "down", since: now, retryAt: now + 1_000, reason: "unreachable" });
      expect(health.health()).toMatchObject({ state: "down", ok: 2, failed: 5 });
    }));

  test("is not that it is down where as many calls succeed elsewhere", () =>
    inStorage("b", async ({ clock, begin }) => {
      const health = begin();
      health.pulsed({ origin: settings, outcomes: { ok: 20, failed: 0, okAt: clock.now } });
      health.pulsed({ origin: settings, outcomes: failing(19, clock.now) });
      expect(health.dueAt()).toBeUndefined();
    }));

  test("is that it is up again as soon as a probe finds so; failures from before are no news then", () =>
    inStorage("c", async ({ clock, found, begin }) => {
      const health = begin();
      health.pulsed({ origin: settings, outcomes: failing(5, clock.now) });
      await health.run();
      clock.now = health.dueAt()!;
      found.failure = undefined;
      await health.run();
      expect(health.published()).toEqual({ state: "up", since: clock.now });
      health.pulsed({ origin: settings, outcomes: failing(50, START) });
      expect(health.dueAt()).toBeUndefined();
    }));

  test("survives the object, and the probe that it was about to make", () =>
    inStorage("d", async ({ clock, probes, found, begin }) => {
      const before = begin();
      before.pulsed({ origin: settings, outcomes: failing(5, clock.now) });
      await before.run();
      const told = before.published();
      const after = begin();
      expect([after.published(), after.dueAt()]).toEqual([told, told.retryAt]);
      clock.now = after.dueAt()!;
      // It ends in the middle of one.
      void before.run();
      const last = begin();
      expect(last.dueAt()).toBe(clock.now + 6_000);
      clock.now += 6_000;
      found.failure = undefined;
      await last.run();
      expect(last.published()).toEqual({ state: "up", since: clock.now });
      expect(probes).toEqual(["o", "o", "o"]);
      expect(begin().published()).toEqual(last.published());
    }));

  test("is found out only while somebody wants to know", () =>
    inStorage("e", async ({ clock, probes, begin }) => {
      const health = begin();
      health.pulsed({ origin: settings, outcomes: failing(5, clock.now) });
      for (let due = health.dueAt(); due !== undefined; due = health.dueAt()) {
        clock.now = due;
        await health.run();
      }
      expect(clock.now - START).toBeLessThanOrEqual(120_000);
      const made = probes.length;
      clock.now += 86_400_000;
      health.pulsed({ origin: settings });
      expect(health.dueAt()).toBeLessThanOrEqual(clock.now);
      await health.run();
      expect(probes).toHaveLength(made + 1);
    }));

  test("is found out by the object's alarm, also after the object has ended", async () => {
    const stub = () => stubOf("alarm");
    let status = 503;
    const asked: string[] = [];
    /** Puts the origin behind the object's service binding. */
    const bind = () =>
      runInDurableObject(stub(), (object) => {
        const fetch = async (_: string, { body }: RequestInit) => {
          asked.push((JSON.parse(body as string) as { method: string }).method);
          return new Response(null, { status });
        };
        Object.assign(object, { env: { ...env, ORIGIN: { fetch } } });
      });
    await bind();
    const pulse = (outcomes?: Outcomes) =>
      stub().pulse({ seq: 0, feedId: undefined, isolate: "i", origin: settings, ...(outcomes && { outcomes }) });
    await pulse(failing(5, Date.now()));
    const state = async () => (await pulse()).health?.state;
    await expect.poll(state, { timeout: 5_000 }).toBe("down");
    const { health } = await pulse();
    expect(health).toMatchObject({ state: "down", reason: "HTTP 503" });
    await evictDurableObject(stub());
    await bind();
    expect((await pulse()).health).toMatchObject({ state: "down", since: health!.since });
    status = 404;
    await expect.poll(state, { timeout: 10_000 }).toBe("up");
    expect(new Set(asked)).toEqual(new Set(["server/discover"]));
    const probes = asked.length;
    await runDurableObjectAlarm(stub());
    expect(asked).toHaveLength(probes);
  }, 20_000);
});
