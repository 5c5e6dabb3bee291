import { env } from "cloudflare:workers";
import { runInDurableObject } from "cloudflare:test";
import fc from "fast-check";
import { expect, test, vi } from "vitest";
import type { Entry, Position } from "../../src/cache/entry.ts";
import { resolve } from "../../src/config/resolve.ts";
import type { Exchange } from "../../src/lanes/Exchange.ts";
import { trust } from "../../src/lanes/trust.ts";
import { Flights } from "../../src/origin/Flights.ts";
import type { Landing } from "../../src/origin/Landing.ts";
import { Announcements } from "../../src/sync/Announcements.ts";
import { Feed, type Since } from "../../src/sync/Feed.ts";
import { FeedView } from "../../src/sync/FeedView.ts";
import { brokenKeys, type Operation } from "../integration/support/linearizable.ts";
import { Tally } from "../../src/telemetry/Tally.ts";
import { emptyIsolate } from "./emptyIsolate.ts";
import { runs, timeLimitMs } from "../support/runs.ts";

// Registers at an origin, an OriginSync, isolates and a Coalescer, whose every step is made when a scheduler says so.
// What decides is the replica's own: the feed, its views, announcements, flights, and whether what is kept is trusted.

const THINGS = ["a", "b"] as const;
type Thing = (typeof THINGS)[number];
const addressOf = (thing: Thing) => ({ method: "tools/call", target: thing });
const tagsOf = (thing: Thing) => [`thing:${thing}`, "both"];

/** The rules; a world in which one of them does not hold is found out. */
const RULES = {
  /** A write is announced before it is sent. */
  announces: true,
  /** A write that has succeeded invalidates. */
  invalidates: true,
  /** A read asks the feed first. */
  checks: true,
  /** While a write is announced, only a call that begins after that is an answer. */
  againWhileAnnounced: true,
  /** A flight is joined only where it knows of all invalidations that concern it. */
  joinsWhatKnows: true,
  /** An answer carries the place in the feed from before the origin was asked. */
  positionBefore: true,
};
type Rules = typeof RULES;

const often = <T>(arbitrary: fc.Arbitrary<T>, weight: number) => ({ arbitrary, weight });
const takes = fc.nat(9);
const step = (thing: fc.Arbitrary<Thing>, more: fc.MaybeWeightedArbitrary<{ do: "reset" }>[] = []) =>
  fc.oneof(
    often(fc.record({ do: fc.constant("read" as const), thing, takes }), 8),
    often(fc.record({ do: fc.constantFrom("relay" as const, "glance" as const), thing }), 5),
    often(fc.record({ do: fc.constant("write" as const), thing, fails: fc.boolean(), takes }), 4),
    often(fc.record({ do: fc.constant("pulse" as const) }), 2),
    often(fc.record({ do: fc.constantFrom("restart" as const, "land anew" as const) }), 1),
    ...more,
  );
type Step =
  | { do: "relay" | "glance"; thing: Thing }
  | { do: "read"; thing: Thing; takes: number }
  | { do: "write"; thing: Thing; fails: boolean; takes: number }
  | { do: Others };
type Others = "pulse" | "restart" | "land anew" | "reset";
const clients = (steps: fc.Arbitrary<Step>) =>
  fc.array(fc.array(steps, { minLength: 1, maxLength: 6 }), { minLength: 2, maxLength: 5 });
const any = fc.constantFrom(...THINGS);
const reset = often(fc.record({ do: fc.constant("reset" as const) }), 1);

interface Isolate {
  view: FeedView;
  x: Exchange;
  memory: Map<Thing, Entry>;
  /** The least version that it may still take for sound. */
  least: Record<Thing, number>;
}

/** Lets clients, some at each of two isolates, take their steps. What they saw. */
async function play(sql: SqlStorage, s: fc.Scheduler, plans: Step[][], rules: Rules) {
  const turn = (label: string) => s.schedule(Promise.resolve(), label);
  sql.exec("DROP TABLE IF EXISTS announcement");
  const writes = new Announcements(sql);
  let feeds = 1;
  const newFeed = () => new Feed({ feedId: `feed ${feeds}`, seq: 0, floor: 0, hardFloor: 0 }, [], { tags: 2, ms: 1 });
  let feed = newFeed();
  const newFlights = () => new Flights({ now: () => 0, random: () => 0.5, kept: () => {} });
  let flights = newFlights();
  const truth: Record<Thing, number> = { a: 0, b: 0 };
  /** The version of the latest write that everybody was told of. */
  const concluded: Record<Thing, number> = { a: 0, b: 0 };
  const kv = new Map<Thing, Entry>();
  const history: Operation[] = [];
  const seen = { hits: 0, written: 0, collapsed: 0, doubted: 0 };
  let clock = 0;
  let ids = 0;

  const object = {
    pulse: async (since: Since) => {
      await turn("a question to the feed");
      const reply = { ...feed.since(since), announced: writes.tags, concluded: { ...concluded } };
      await turn("an answer of the feed");
      return reply;
    },
  };
  const origin = resolve({ origins: { o: { service: "S" } } }).origins.get("o")!;
  const newIsolate = (): Isolate => {
    const view = new FeedView(() => "i");
    const least = { a: 0, b: 0 };
    const hear = view.hear.bind(view);
    view.hear = (question, reply) => {
      const heard = hear(question, reply);
      const { position } = view;
      if (position?.feedId === reply.feedId && position.seq >= reply.seq)
        for (const thing of THINGS) {
          least[thing] = Math.max(least[thing], (reply as unknown as { concluded: typeof least }).concluded[thing]);
        }
      return heard;
    };
    const x = {
      replica: { enabled: true },
      feed: view,
      isolate: emptyIsolate(),
      tally: new Tally(() => undefined),
      origin,
      env: { ORIGIN_SYNC: { idFromName: String, get: () => object } },
      now: () => 0,
      random: () => 0.5,
      report: () => expect.unreachable(),
    } as unknown as Exchange;
    return { view, x, memory: new Map(), least };
  };
  const isolates = [newIsolate(), newIsolate()];

  const write = async ({ thing, fails, takes }: { thing: Thing; fails: boolean; takes: number }) => {
    const calledAt = ++clock;
    const id = `${++ids}`;
    await turn("an announcement");
    if (rules.announces) writes.announce(id, tagsOf(thing).slice(0, 1), 1_000);
    await turn("a write is sent");
    await turn("a write arrives");
    const value = fails ? truth[thing] : ++truth[thing];
    // Perhaps long enough for others to see it, and to tell each other.
    for (let nth = 0; nth < takes; nth++) await turn("its answer is on its way");
    await turn("its conclusion");
    if (!fails) {
      if (rules.invalidates) feed.invalidate(tagsOf(thing).slice(0, 1), {}, 0);
      concluded[thing] = Math.max(concluded[thing], value);
    }
    writes.conclude(id);
    await turn("it is over");
    if (!fails) history.push({ key: thing, kind: "write", value: `${value}`, calledAt, returnedAt: ++clock });
  };

  const read = async (by: Isolate, { thing, takes }: { thing: Thing; takes: number }) => {
    const calledAt = ++clock;
    const done = (value: number) =>
      history.push({ key: thing, kind: "read", value: `${value}`, calledAt, returnedAt: ++clock });
    const trusted = rules.checks ? await trust(by.x, addressOf(thing), tagsOf(thing)) : "kept";
    if (trusted === "written") seen.written++;
    const again = trusted !== "kept";
    const kept = again ? undefined : await look(by, thing);
    if (kept && by.view.judge(kept, addressOf(thing)) === "sound") {
      seen.hits++;
      return done(versionOf(kept));
    }
    if (kept) seen.doubted++;
    const { position } = by.view;
    const needed = rules.joinsWhatKnows ? by.view.latest(addressOf(thing), tagsOf(thing)) : 0;
    const known = position && { ...position, needed };
    await turn("a passenger");
    const passenger = {
      key: thing,
      again: again && rules.againWhileAnnounced,
      era: "modern" as const,
      group: "g",
    };
    const boarding = await flights.board({ ...passenger, ...(known && { known }) }, async ({ begin }) => {
      await turn("a flight");
      begin();
      await turn("a flight arrives");
      const landing = landingOf(thing, truth[thing], position);
      for (let nth = 0; nth < takes; nth++) await turn("a flight is on its way back");
      return landing;
    });
    if (boarding.kind !== "entry") return expect.unreachable();
    if (boarding.collapsed) seen.collapsed++;
    const entry = { ...boarding.entry, ...(!rules.positionBefore && by.view.position) };
    await turn("a store");
    by.memory.set(thing, entry);
    kv.set(thing, { ...entry });
    return done(versionOf(entry));
  };

  /** A read that is relayed, as for who asks for progress. */
  const relay = async (thing: Thing) => {
    const calledAt = ++clock;
    await turn("a call");
    const value = `${truth[thing]}`;
    await turn("its answer");
    history.push({ key: thing, kind: "read", value, calledAt, returnedAt: ++clock });
  };

  const look = async (by: Isolate, thing: Thing) => {
    const own = by.memory.get(thing);
    if (own) return own;
    const saved = kv.get(thing);
    await turn("a look into KV");
    return saved && { ...saved };
  };

  /** Who does not ask the feed is answered with nothing that the isolate knows to be old. */
  const glance = async (by: Isolate, thing: Thing) => {
    const entry = await look(by, thing);
    if (entry && by.view.judge(entry, addressOf(thing)) === "sound")
      expect(versionOf(entry)).toBeGreaterThanOrEqual(by.view.position ? by.least[thing] : 0);
  };

  const client = async (nth: number, plan: Step[]) => {
    for (const one of plan) {
      const by = isolates[nth % 2]!;
      if (one.do === "read") await read(by, one);
      else if (one.do === "relay") await relay(one.thing);
      else if (one.do === "glance") await glance(by, one.thing);
      else if (one.do === "write") await write(one);
      else if (one.do === "pulse") {
        const question = by.view.ask();
        by.view.hear(question, await object.pulse(question));
      } else {
        await turn(one.do);
        if (one.do === "restart") isolates[nth % 2] = newIsolate();
        else if (one.do === "land anew") flights = newFlights();
        else {
          feeds++;
          feed = newFeed();
        }
      }
    }
  };
  await s.waitFor(Promise.all(plans.map((plan, nth) => client(nth, plan))));
  return { history, seen };
}

function landingOf(thing: Thing, version: number, position: Position | undefined): Landing {
  const times = { storedAt: 0, ttlMs: 1, staleWhileRevalidateMs: 0, staleIfErrorMs: 0 };
  const entry = { ...times, tags: tagsOf(thing), body: `${version}`, meta: "", ...position };
  return { kind: "entry", status: 200, entry: entry as unknown as Entry };
}

const versionOf = ({ body }: Entry) => Number(body);

let objects = 0;
/** Works with the storage of an object of its own. */
const withSql = <T>(work: (sql: SqlStorage) => Promise<T>) => {
  const stub = env.ORIGIN_SYNC.get(env.ORIGIN_SYNC.idFromName(`rules ${++objects}`));
  return runInDurableObject(stub, (_, { storage }) => work(storage.sql));
};

/** All these steps take a while on a machine that is busy. */
vi.setConfig({ testTimeout: timeLimitMs(60_000) });

test("whatever the order of steps, reads and writes could have happened one after the other", () =>
  withSql(async (sql) => {
    const total = { hits: 0, written: 0, collapsed: 0, doubted: 0 };
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), clients(step(any)), async (s, plans) => {
        const { history, seen } = await play(sql, s, plans, RULES);
        expect(brokenKeys(history, "0")).toEqual([]);
        for (const what of Object.keys(total) as (keyof typeof total)[]) total[what] += seen[what];
      }),
      { numRuns: runs(800, 40_000) },
    );
    // All of it was met with.
    for (const [what, count] of Object.entries(total)) expect(count, what).toBeGreaterThan(50);
  }));

test("nor is anything taken for sound that is known to be old, also where the feed is lost in the middle of it", () =>
  withSql((sql) =>
    fc.assert(
      fc.asyncProperty(fc.scheduler(), clients(step(any, [reset])), async (s, plans) => {
        await play(sql, s, plans, RULES);
      }),
      { numRuns: runs(500, 20_000) },
    ),
  ));

test.each(Object.keys(RULES) as (keyof Rules)[])("each rule is needed: %s", (rule) =>
  withSql(async (sql) => {
    const found = await fc.check(
      fc.asyncProperty(fc.scheduler(), clients(step(fc.constant("a"))), async (s, plans) => {
        const { history } = await play(sql, s, plans, { ...RULES, [rule]: false });
        expect(brokenKeys(history, "0")).toEqual([]);
      }),
      { numRuns: 20_000, endOnFailure: true },
    );
    expect(found.failed).toBe(true);
  }),
);
