import { describe, expect, test } from "vitest";
import { resolve } from "../../src/config/resolve.ts";
import { bump, bumped } from "../../src/lanes/bump.ts";
import type { Exchange } from "../../src/lanes/Exchange.ts";
import { check, inStep } from "../../src/lanes/inStep.ts";
import { Feed, type How, type News, type Since } from "../../src/sync/Feed.ts";
import { FeedView } from "../../src/sync/FeedView.ts";
import type { PulseRequest } from "../../src/sync/Pulse.ts";
import { Tally } from "../../src/telemetry/Tally.ts";
import { emptyIsolate } from "./emptyIsolate.ts";

const PULSE_MS = 1_000;

/** An isolate whose object does as it is told. `answer` stands between the feed and the isolate. */
function setUp(answer: (news: News) => News | Promise<News> = (news) => news) {
  const feed = new Feed({ feedId: "f", seq: 0, floor: 0, hardFloor: 0 });
  const view = new FeedView(() => "i");
  const tally = new Tally(() => undefined);
  const calls: string[] = [];
  const heard: PulseRequest[] = [];
  const reports: unknown[] = [];
  const reported: unknown[] = [];
  const background: Promise<unknown>[] = [];
  const clock = { now: 1_000_000 };
  const object = {
    pulse: async (request: PulseRequest) => {
      const { seq, feedId, outcomes } = request;
      if (outcomes) reported.push(outcomes);
      calls.push(`pulse ${seq} ${feedId}`);
      // What crosses to an object is copied.
      heard.push(structuredClone(request));
      return answer(feed.since({ seq, feedId }));
    },
    invalidate: async (tags: string[], how: How, since: Since) => {
      calls.push(`invalidate ${tags.join(" ")}${how.hard ? " hard" : ""}`);
      feed.invalidate(tags, how, clock.now);
      return answer(feed.since(since));
    },
  };
  const config = { origins: { o: { service: "S", sync: { pulse: "1s" } } } };
  const x = {
    replica: { enabled: true },
    origin: resolve(config).origins.get("o"),
    feed: view,
    tally,
    principal: "p",
    isolate: emptyIsolate(),
    env: { ORIGIN_SYNC: { idFromName: (name: string) => name, get: () => object } },
    now: () => clock.now,
    random: () => 0.5,
    waitUntil: (work: Promise<unknown>) => void background.push(work),
    report: (event: unknown) => void reports.push(event),
  } as unknown as Exchange;
  /** As the way of each request begins. */
  const arrive = () => (clock.now < view.dueAt ? undefined : inStep(x, clock.now));
  return { feed, view, tally, calls, heard, reports, reported, background, clock, x, arrive };
}

const down = () => {
  throw new Error("no such object");
};
const never = () => new Promise<News>(() => {});

describe("a pulse", () => {
  test("is waited for by the first request, and made once an interval after it, waited for by nobody", async () => {
    const { feed, view, calls, background, clock, arrive } = setUp();
    feed.invalidate(["a"], {}, 0);
    await arrive();
    expect(view.position).toEqual({ feedId: "f", seq: 1 });
    clock.now += PULSE_MS - 1;
    for (let request = 0; request < 100; request++) expect(arrive()).toBeUndefined();
    expect(calls).toEqual(["pulse 0 undefined"]);
    clock.now += 1;
    feed.invalidate(["b"], {}, 0);
    for (let request = 0; request < 100; request++) expect(arrive()).toBeUndefined();
    await Promise.all(background);
    expect(calls).toEqual(["pulse 0 undefined", "pulse 1 f"]);
    expect(view.position).toEqual({ feedId: "f", seq: 2 });
  });

  test.each([
    [0, 0.9],
    [1, 1.1],
  ])("is spread: with chance %f after %f of the interval", async (chance, share) => {
    const { x, view, clock } = setUp();
    await inStep({ ...x, random: () => chance } as Exchange, clock.now);
    expect(view.dueAt - clock.now).toBeCloseTo(share * PULSE_MS);
  });

  test("that does not come is not waited for long, and counts when it comes after all", async () => {
    let come!: (news: News) => void;
    const late = new Promise<News>((resolve) => (come = resolve));
    const { view, feed, background, arrive } = setUp(() => late);
    await arrive();
    expect(view.position).toBeUndefined();
    expect(arrive()).toBeUndefined();
    come(feed.since({ seq: 0, feedId: undefined }));
    await Promise.all(background);
    expect(view.position).toEqual({ feedId: "f", seq: 0 });
  });

  test("that is the first is waited for by those who come meanwhile, by each for itself", async () => {
    let come!: (news: News) => void;
    const late = new Promise<News>((resolve) => (come = resolve));
    const { view, feed, calls, arrive } = setUp(() => late);
    const [first, second] = [arrive(), arrive()];
    expect(second).toBeInstanceOf(Promise);
    expect(second).not.toBe(first);
    come(feed.since({ seq: 0, feedId: undefined }));
    await Promise.all([first, second]);
    expect(view.position).toBeDefined();
    expect(calls).toHaveLength(1);
  });

  test("whose request was dropped by the runtime is made again by who comes later", () => {
    const { calls, clock, arrive } = setUp(never);
    void arrive();
    clock.now += 251;
    void arrive();
    expect(calls).toHaveLength(2);
  });

  test("is waited for after a pause too: what everybody else knows by then is not answered past", async () => {
    const { feed, view, calls, clock, arrive } = setUp();
    await arrive();
    // Without requests there is none.
    clock.now += 100 * PULSE_MS;
    expect(calls).toHaveLength(1);
    feed.invalidate(["a"], {}, 0);
    await arrive();
    expect(view.position).toEqual({ feedId: "f", seq: 1 });
    expect(view.dueAt - clock.now).toBe(PULSE_MS);
  });

  test("that fails is reported, and what is known stays", async () => {
    const { feed, view, reports, background, clock, x, arrive } = setUp();
    await arrive();
    clock.now += PULSE_MS;
    feed.invalidate(["a"], {}, 0);
    const { ORIGIN_SYNC } = x.env;
    x.env = { ORIGIN_SYNC: { ...ORIGIN_SYNC, get: down } } as unknown as Cloudflare.Env;
    expect(arrive()).toBeUndefined();
    await Promise.all(background);
    const reason = "Error: no such object";
    expect(reports).toEqual([{ type: "sync-failed", operation: "pulse", origin: "o", reason }]);
    expect(view.position).toEqual({ feedId: "f", seq: 0 });
    // Not at each request.
    expect(arrive()).toBeUndefined();
    expect(reports).toHaveLength(1);
  });

  test("tells how calls ended, once, and again where that did not arrive", async () => {
    let isUp = false;
    const { view, reported, background, clock, arrive } = setUp((news) => (isUp ? news : down()));
    view.health.record({ ok: true }, 7, clock.now);
    await arrive();
    await Promise.all(background);
    expect(reported.splice(0)).toEqual([{ ok: 1, failed: 0, okAt: 7 }]);
    view.health.record({ ok: false, reason: "timeout" }, 8, clock.now);
    isUp = true;
    for (let pulse = 0; pulse < 3; pulse++) {
      clock.now += PULSE_MS;
      void arrive();
      await Promise.all(background);
    }
    expect(reported).toEqual([{ ok: 1, failed: 1, okAt: 7, failedAt: 8, reason: "timeout" }]);
  });

  test("tells what is counted where every call is relayed, and keeps nobody waiting; the origin is not judged", async () => {
    const { x, view, heard, background, clock, tally } = setUp();
    const relaying = { ...x, replica: { enabled: false } } as Exchange;
    view.health.record({ ok: false, reason: "timeout" }, 7, clock.now);
    tally.enter(clock.now);
    expect(inStep(relaying, clock.now)).toBeUndefined();
    expect(view.dueAt).toBe(clock.now + PULSE_MS);
    await Promise.all(background);
    expect(heard).toMatchObject([{ vitals: { active: 1 } }]);
    expect(heard[0]).not.toHaveProperty("outcomes");
    expect(heard[0]).not.toHaveProperty("interest");
  });
});

describe("in a pulse goes up", () => {
  const PING = {
    method: "ping",
    target: null,
    result: "local",
    durationMs: 0,
    ageMs: undefined,
    isSaved: false,
  } as const;
  const pings = ({ tally }: PulseRequest) => tally && [tally.nth, tally.counted.operations[0]?.counts.local];

  test("what was counted since the last one, once", async () => {
    const { tally, heard, background, clock, arrive } = setUp();
    await arrive();
    for (const count of [3, 0, 2]) {
      for (let time = 0; time < count; time++) tally.count(PING);
      clock.now += PULSE_MS;
      arrive();
      await Promise.all(background);
    }
    expect(heard.map(pings)).toEqual([undefined, [1, 3], undefined, [2, 2]]);
  });

  test("the same again under its number, where it is not known that it has arrived", async () => {
    let isLost = true;
    const { tally, heard, background, clock, arrive } = setUp((news) => (isLost ? down() : news));
    tally.count(PING);
    await arrive();
    tally.count(PING);
    tally.count(PING);
    isLost = false;
    for (let pulse = 0; pulse < 3; pulse++) {
      clock.now += PULSE_MS;
      arrive();
      await Promise.all(background);
    }
    expect(heard.map(pings)).toEqual([[1, 1], [1, 1], [2, 2], undefined]);
  });

  test("how many operations go on, but for those whose caller must have gone", async () => {
    const { tally, heard, clock, arrive } = setUp();
    const operation = tally.enter(clock.now);
    tally.enter(clock.now);
    await arrive();
    tally.leave(operation);
    clock.now += PULSE_MS;
    arrive();
    // Twice what a fill may take.
    clock.now += 140_001;
    await arrive();
    expect(heard.map(({ vitals }) => vitals?.active)).toEqual([2, 1, 0]);
  });

  test("how long nothing was heard of the feed; a pause, after which requests wait for it, is none", async () => {
    let isDown = false;
    const { heard, background, clock, arrive } = setUp((news) => (isDown ? down() : news));
    const pulses = async (...waits: number[]) => {
      for (const wait of waits) {
        clock.now += wait;
        await arrive();
        await Promise.all(background);
      }
    };
    await pulses(0, PULSE_MS, 100 * PULSE_MS);
    isDown = true;
    await pulses(PULSE_MS, PULSE_MS, PULSE_MS);
    const lags = [0, 1, 0, 1, 2, 3].map((nth) => nth * PULSE_MS);
    expect(heard.map(({ vitals }) => vitals?.lagMs)).toEqual(lags);
  });
});

describe("what an isolate invalidates", () => {
  test("is told at once, and what comes within a short while after that together, soft and hard apart", async () => {
    const { view, calls, background, clock, x } = setUp();
    bump(x, ["a"]);
    await Promise.all(background);
    for (let time = 0; time < 100; time++) bump(x, ["b"]);
    bump(x, ["c"], true);
    bump(x, ["b"]);
    clock.now += 100;
    await Promise.all(background);
    expect(calls).toEqual(["invalidate a", "invalidate c hard", "invalidate b"]);
    expect(view.position).toEqual({ feedId: "f", seq: 3 });
    bump(x, []);
    await Promise.all(background);
    expect(calls).toHaveLength(3);
  });

  test("is waited for by who asks anew: that answer is not stale when it comes", async () => {
    const { view, x } = setUp();
    bump(x, ["a"]);
    await bumped(x);
    expect(view.position).toEqual({ feedId: "f", seq: 1 });
  });

  test("is not waited for long", async () => {
    const { clock, x } = setUp(never);
    bump(x, ["a"]);
    let isOver = false;
    const waiting = bumped(x).then(() => (isOver = true));
    await scheduler.wait(20);
    expect(isOver).toBe(false);
    clock.now += 250;
    await waiting;
  });

  test("is reported where nobody can be told", async () => {
    const { reports, background, x } = setUp();
    x.env = { ORIGIN_SYNC: { idFromName: String, get: down } } as unknown as Cloudflare.Env;
    bump(x, ["a"]);
    await Promise.all(background);
    expect(reports).toMatchObject([{ type: "sync-failed", operation: "invalidate" }]);
    await bumped(x);
  });

  describe("and could not be told", () => {
    /** Invalidates while nobody can be told, then goes on for a pulse in which they can. */
    async function outage(invalidate: (x: Exchange) => void) {
      const made = setUp();
      const { background, clock, x, arrive } = made;
      const { ORIGIN_SYNC } = x.env;
      x.env = { ORIGIN_SYNC: { ...ORIGIN_SYNC, get: down } } as unknown as Cloudflare.Env;
      invalidate(x);
      await Promise.all(background);
      clock.now += PULSE_MS;
      arrive();
      await Promise.all(background);
      x.env = { ORIGIN_SYNC } as unknown as Cloudflare.Env;
      clock.now += PULSE_MS;
      arrive();
      // The pulse, and then what it gives rise to.
      await Promise.all(background);
      await Promise.all(background);
      return made;
    }

    test("is told after the next pulse that is answered, soft and hard as it was, and once", async () => {
      const { calls, clock, arrive, background } = await outage((x) => {
        bump(x, ["a"]);
        bump(x, ["b"], true);
      });
      expect(calls).toEqual(["pulse 0 undefined", "invalidate b hard", "invalidate a"]);
      clock.now += PULSE_MS;
      arrive();
      await Promise.all(background);
      expect(calls).toHaveLength(4);
    });

    test("is told as everything where it is too much at once", async () => {
      const { x, calls, background } = setUp();
      for (let nth = 0; nth < 1_002; nth++) bump(x, [`t${nth}`]);
      await Promise.all(background);
      expect(calls).toEqual(["invalidate t0", "invalidate origin"]);
    });

    test("is remembered as everything where it is too much", async () => {
      const { calls } = await outage((x) =>
        bump(
          x,
          Array.from({ length: 1_001 }, (_, nth) => `t${nth}`),
          true,
        ),
      );
      expect(calls).toEqual(["pulse 0 undefined", "invalidate origin hard"]);
    });
  });
});

test("what is listened to is said once in a pulse, however often the feed is asked in between", async () => {
  const { x, view, clock } = setUp();
  const said: unknown[] = [];
  const object = {
    pulse: async ({ interest }: PulseRequest) => {
      said.push(interest);
      return { feedId: "f", seq: 0, floor: 0, hardFloor: 0, changes: [], announced: [], coveredSince: 7 };
    },
  };
  x.env = { ORIGIN_SYNC: { idFromName: String, get: () => object } } as unknown as Cloudflare.Env;
  x.isolate.listening.streams.open(clock.now, "ann", {
    originId: "o",
    filter: { lists: new Set(["tools"]), uris: new Set(["x://1"]) },
  });
  const begun = clock.now;
  for (let time = 0; time < 3; time++) {
    await check(x, 1_000);
    clock.now += 200;
  }
  const interest = { wantsListen: true, lists: ["tools"], uris: ["x://1"] };
  expect(said).toEqual([interest, undefined, undefined]);
  // What came in answer to that still holds.
  expect(view.covered).toEqual({ since: 7, askedAt: begun, uris: new Set(["x://1"]) });
  await check(x, 1_000);
  expect(said[3]).toEqual(interest);
});
