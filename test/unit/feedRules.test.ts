import fc from "fast-check";
import { expect, test } from "vitest";
import type { Entry } from "../../src/cache/entry.ts";
import { Flights, type Boarding } from "../../src/origin/Flights.ts";
import type { Landing } from "../../src/origin/Landing.ts";
import { Feed, type News } from "../../src/sync/Feed.ts";
import { FeedView, type Question } from "../../src/sync/FeedView.ts";
import { runs } from "../support/runs.ts";

// Two things at an origin, and the tags that their answers carry besides those that all have.
const THINGS = ["a", "b"] as const;
type Thing = (typeof THINGS)[number];
const TAGS: Readonly<Record<Thing, readonly string[]>> = { a: ["a", "both"], b: ["b", "both"] };
const TAG_NAMES = ["a", "b", "both", "origin", "neither"];
const addressOf = (thing: Thing) => ({ method: "tools/call", target: thing });
const touches = (tag: string, thing: Thing) => tag === "origin" || TAGS[thing].includes(tag);

/** What is true at the origin, by thing: each change makes it one more, and is told to the feed after it. */
type Truth = Record<Thing, number>;

/** An entry that also says which version of its thing it is. */
type Versioned = Entry & { value: number };

/** An isolate: its view, and what the view vouches for. */
interface Isolate {
  view: FeedView;
  /** The least version that it may still take for sound. */
  least: Truth;
  /** The least version that it may still keep at all, as far as its feed remembers. */
  leastKept: Truth;
  memory: Map<Thing, Versioned>;
}

/** An origin, its feed and its isolates. */
function makeWorld(keeps: number) {
  const world = {
    feeds: 1,
    feed: newFeed(1, keeps),
    truth: { a: 0, b: 0 } as Truth,
    /** What of the truth the present feed took away the old versions of. */
    hard: { a: 0, b: 0 } as Truth,
    isolates: [1, 2, 3].map((): Isolate => ({
      view: new FeedView(() => "i"),
      least: { a: 0, b: 0 },
      leastKept: { a: 0, b: 0 },
      memory: new Map(),
    })),
    asked: [] as { isolate: Isolate; question: Question; answer?: { news: News; truth: Truth; hard: Truth } }[],
    change(tag: string, hard: boolean) {
      for (const thing of THINGS) {
        if (!touches(tag, thing)) continue;
        world.truth[thing]++;
        if (hard) world.hard[thing] = world.truth[thing];
      }
      world.feed.invalidate([tag], { hard }, 0);
    },
    /** The feed loses all that it knew. */
    reset() {
      world.feed = newFeed(++world.feeds, keeps);
      world.hard = { a: 0, b: 0 };
    },
    ask(isolate: Isolate, isSlow: boolean) {
      world.asked.push({ isolate, question: isolate.view.ask() });
      if (!isSlow) world.arrive(world.asked.length - 1);
    },
    /** The feed answers one of the questions under way: they may overtake each other. */
    answer(nth: number) {
      const asked = world.asked[nth % (world.asked.length || 1)];
      if (asked)
        asked.answer ??= { news: world.feed.since(asked.question), truth: { ...world.truth }, hard: { ...world.hard } };
    },
    /** One of the answers under way arrives: they may as well. */
    arrive(nth: number) {
      world.answer(nth);
      const [one] = world.asked.splice(nth % (world.asked.length || 1), 1);
      if (!one) return;
      const { isolate, question } = one;
      const { news, truth, hard } = one.answer!;
      isolate.view.hear(question, news);
      const { position } = isolate.view;
      if (position?.feedId !== news.feedId || position.seq < news.seq) return;
      for (const thing of THINGS) isolate.least[thing] = Math.max(isolate.least[thing], truth[thing]);
      isolate.leastKept = { ...hard };
    },
  };
  return world;
}

const newFeed = (nth: number, tags: number) =>
  new Feed({ feedId: `feed ${nth}`, seq: 0, floor: 0, hardFloor: 0 }, [], { tags, ms: 1 });

/** How many tags the feed remembers: few, so that its floor rises. */
const keeps = fc.integer({ min: 1, max: 3 });
const isolate = fc.nat(2);
const thing = fc.constantFrom(...THINGS);
const often = <T>(arbitrary: fc.Arbitrary<T>) => ({ arbitrary, weight: 4 });
/** What happens to the feed, and what is heard of it. */
const changes = fc.oneof(
  { arbitrary: fc.record({ do: fc.constant("reset" as const) }), weight: 1 },
  often(fc.record({ do: fc.constant("change" as const), tag: fc.constantFrom(...TAG_NAMES), hard: fc.boolean() })),
  often(fc.record({ do: fc.constant("pulse" as const), isolate, isSlow: fc.boolean() })),
  often(fc.record({ do: fc.constant("answer" as const), nth: fc.nat(5) })),
  often(fc.record({ do: fc.constant("arrive" as const), nth: fc.nat(5) })),
);

type Change = typeof changes extends fc.Arbitrary<infer T> ? T : never;

function happen(world: ReturnType<typeof makeWorld>, step: Change): void {
  switch (step.do) {
    case "change":
      return world.change(step.tag, step.hard);
    case "reset":
      return world.reset();
    case "pulse":
      return world.ask(world.isolates[step.isolate]!, step.isSlow);
    case "answer":
      return world.answer(step.nth);
    case "arrive":
      return world.arrive(step.nth);
  }
}

test("whatever the order of fetches, stores, invalidations, pulses and losses, nothing is sound that is older than what is known", () => {
  const steps = fc.array(
    fc.oneof(
      { arbitrary: changes, weight: 17 },
      often(fc.record({ do: fc.constant("fetch" as const), isolate, thing, isLate: fc.boolean() })),
      often(fc.record({ do: fc.constant("store" as const), nth: fc.nat(5) })),
      often(fc.record({ do: fc.constant("read" as const), isolate, thing })),
    ),
    { minLength: 20, maxLength: 80 },
  );
  let [sound, doubted, gone] = [0, 0, 0];
  fc.assert(
    fc.property(keeps, steps, (keeps, steps) => {
      const world = makeWorld(keeps);
      /** What all isolates read where their memories have nothing. */
      const kv = new Map<Thing, Versioned>();
      const asked: { by: Isolate; thing: Thing; position: object | undefined; value: number | undefined }[] = [];
      for (const step of steps) {
        switch (step.do) {
          case "fetch": {
            const by = world.isolates[step.isolate]!;
            // The origin may look at once, or only when its answer is sent.
            const value = step.isLate ? undefined : world.truth[step.thing];
            asked.push({ by, thing: step.thing, position: by.view.position, value });
            break;
          }
          case "store": {
            const [one] = asked.splice(step.nth % (asked.length || 1), 1);
            if (!one) break;
            const value = one.value ?? world.truth[one.thing];
            const entry = { tags: TAGS[one.thing], value, ...one.position } as unknown as Versioned;
            one.by.memory.set(one.thing, entry);
            kv.set(one.thing, { ...entry });
            break;
          }
          case "read": {
            const by = world.isolates[step.isolate]!;
            const saved = kv.get(step.thing);
            const entry = by.memory.get(step.thing) ?? (saved && { ...saved });
            if (!entry) break;
            by.memory.set(step.thing, entry);
            const verdict = by.view.judge(entry, addressOf(step.thing));
            if (verdict === "sound") {
              expect(entry.value).toBeGreaterThanOrEqual(by.least[step.thing]);
              sound++;
            } else if (verdict === "gone") gone++;
            else {
              doubted++;
              if (entry.feedId === by.view.position?.feedId)
                expect(entry.value).toBeGreaterThanOrEqual(by.leastKept[step.thing]);
            }
            break;
          }
          default:
            happen(world, step);
        }
      }
      // What is asked for by who knows everything is sound for everybody who knows no more.
      for (const by of world.isolates) {
        const question = by.view.ask();
        by.view.hear(question, world.feed.since(question));
      }
      for (const thing of THINGS) {
        const entry = { tags: TAGS[thing], ...world.isolates[0]!.view.position } as unknown as Entry;
        for (const { view } of world.isolates) expect(view.judge({ ...entry }, addressOf(thing))).toBe("sound");
      }
    }),
    { numRuns: runs(4_000, 200_000) },
  );
  // All of it was met with.
  for (const count of [sound, doubted, gone]) expect(count).toBeGreaterThan(100);
});

test("whatever the order, nobody gets from a flight what is older than an invalidation known at the asking", async () => {
  const steps = fc.array(
    fc.oneof(
      { arbitrary: changes, weight: 17 },
      often(fc.record({ do: fc.constant("board" as const), isolate, thing })),
      often(fc.record({ do: fc.constant("land" as const), nth: fc.nat(5) })),
    ),
    { minLength: 20, maxLength: 80 },
  );
  let collapsed = 0;
  await fc.assert(
    fc.asyncProperty(keeps, steps, async (keeps, steps) => {
      const world = makeWorld(keeps);
      const flights = new Flights({ now: () => 0, random: () => 0.5, kept: () => {} });
      const flying: (() => void)[] = [];
      const boarded: Promise<void>[] = [];
      const settled = async () => {
        for (let turn = 0; turn < 5; turn++) await Promise.resolve();
      };
      for (const step of steps) {
        switch (step.do) {
          case "board": {
            const { view, least } = world.isolates[step.isolate]!;
            const { position } = view;
            const known = position && { ...position, needed: view.latest(addressOf(step.thing), TAGS[step.thing]) };
            const atLeast = position ? least[step.thing] : 0;
            const passenger = {
              key: step.thing,
              again: false,
              era: "modern" as const,
              group: "g",
              ...(known && { known }),
            };
            const boarding = flights.board(passenger, ({ begin }) => {
              begin();
              // The origin answers at once, and the answer is long on its way.
              const landing = landingOf(world.truth[step.thing], position);
              return new Promise((land) => flying.push(() => land(landing)));
            });
            boarded.push(
              boarding.then((got) => {
                expect(valueIn(got)).toBeGreaterThanOrEqual(atLeast);
                if (got.kind !== "pass" && got.collapsed) collapsed++;
              }),
            );
            break;
          }
          case "land":
            flying.splice(step.nth % (flying.length || 1), 1)[0]?.();
            break;
          default:
            happen(world, step);
        }
        await settled();
      }
      for (const land of flying) land();
      await Promise.all(boarded);
    }),
    { numRuns: runs(2_000, 100_000) },
  );
  expect(collapsed).toBeGreaterThan(100);
});

function landingOf(value: number, position: object | undefined): Landing {
  const entry = { storedAt: 0, ttlMs: 1, staleWhileRevalidateMs: 0, staleIfErrorMs: 0, tags: [], body: "", meta: "" };
  return { kind: "entry", status: 200, entry: { ...entry, ...position, value } as unknown as Versioned };
}

function valueIn(boarding: Boarding): number {
  return boarding.kind === "entry" ? (boarding.entry as Versioned).value : Number.POSITIVE_INFINITY;
}
