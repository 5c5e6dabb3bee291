import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Entry } from "../../src/cache/entry.ts";
import { ownTag, readOwnTag } from "../../src/cache/ownTag.ts";
import { Feed, type News } from "../../src/sync/Feed.ts";
import { FeedView, type Question } from "../../src/sync/FeedView.ts";
import type { PulseReply } from "../../src/sync/Pulse.ts";
import type { Sighting } from "../../src/sync/Sighting.ts";
import { KeptTellings } from "../../src/sync/KeptTellings.ts";
import { Tellings, type Telling } from "../../src/sync/Tellings.ts";
import { runs } from "../support/runs.ts";

const TAG = "list:tools";
const PLACE = { method: "tools/list", target: null };
const HEAD = { feedId: "f", seq: 0, floor: 0, hardFloor: 0 };

function objectOf(feedId = "f") {
  const feed = new Feed({ ...HEAD, feedId });
  const store = new Map<string, Telling>();
  const tellings = new Tellings(feed, { get: (tag) => store.get(tag), set: (tag, one) => void store.set(tag, one) });
  return { feed, tellings };
}

describe("a sighting", () => {
  let clock = 0;
  const at = (seq: number, feedId = "f") => ({ feedId, seq });
  const one = (before: string, after: string, seq: number, more: Partial<Sighting> = {}): Sighting => ({
    tag: TAG,
    before,
    after,
    isListened: true,
    replaced: at(seq),
    replacedAt: ++clock,
    asked: at(seq),
    ...more,
  });

  test("is told of once, whoever else has seen the same", () => {
    const { feed, tellings } = objectOf();
    expect(tellings.take(one("a", "b", 0), 0)).toEqual({ isNews: true, toldAt: 1 });
    expect(tellings.take(one("a", "b", 0), 0)).toEqual({ isNews: false, toldAt: 1 });
    expect(feed.toldAt(TAG)).toBe(1);
  });

  test("of what has changed again is told of again, though the entry is from before the telling", () => {
    const { tellings } = objectOf();
    tellings.take(one("a", "b", 0), 0);
    expect(tellings.take(one("b", "c", 0), 0).isNews).toBe(true);
    expect(tellings.take(one("c", "a", 2), 0).isNews).toBe(true);
    // Who comes late with what was told long ago has nothing new.
    expect(tellings.take(one("b", "c", 0), 0).isNews).toBe(false);
    // Nor who last heard of it when it had said so before.
    expect(tellings.take(one("a", "b", 0, { replacedAt: 0 }), 0).isNews).toBe(false);
  });

  test("of what the origin itself has told is not news", () => {
    const { feed, tellings } = objectOf();
    feed.invalidate([TAG], { told: true }, 0);
    expect(tellings.take(one("a", "b", 0), 0).isNews).toBe(false);
    expect(tellings.take(one("b", "c", 1), 0).isNews).toBe(true);
  });

  test("is no reason to ask again, unless something else was invalidated meanwhile", () => {
    const { feed, tellings } = objectOf();
    feed.invalidate([TAG], {}, 0);
    // Asked for before the list was known to have changed.
    expect(tellings.take(one("a", "b", 0), 0)).toEqual({ isNews: true, toldAt: 0 });
    expect(tellings.take(one("b", "c", 2), 0)).toEqual({ isNews: true, toldAt: 3 });
    feed.invalidate([TAG], {}, 0);
    expect(tellings.take(one("b", "c", 2), 0)).toEqual({ isNews: false, toldAt: 0 });
  });

  test("of what is private is told under a name of its own, unless all were told", () => {
    const { feed, tellings } = objectOf();
    expect(tellings.take(one("a", "b", 0, { principal: "ann" }), 0)).toEqual({ isNews: true, toldAt: 1 });
    expect([feed.toldAt(TAG), feed.toldAt(ownTag("ann", TAG))]).toEqual([0, 1]);
    expect(tellings.take(one("a", "b", 0, { principal: "bob" }), 0).isNews).toBe(true);
    feed.invalidate([TAG], { told: true }, 0);
    expect(tellings.take(one("a", "b", 2, { principal: "cid" }), 0).isNews).toBe(false);
  });

  test("by who knows another feed is older than all that this one has told", () => {
    const { tellings } = objectOf();
    expect(tellings.take(one("a", "b", 9, { replaced: at(9, "lost") }), 0).isNews).toBe(true);
    expect(tellings.take(one("a", "b", 9, { replaced: at(9, "lost") }), 0).isNews).toBe(false);
  });
});

test("no more is remembered of tellings than can be needed, whatever their places in the feed", async () => {
  const object = env.ORIGIN_SYNC.get(env.ORIGIN_SYNC.idFromName("tellings"));
  await runInDurableObject(object, (_, { storage: { sql } }) => {
    const kept = new KeptTellings(sql);
    // Between any two, something else is invalidated.
    for (let nth = 0; nth < 10_300; nth++) {
      kept.set(`list:${nth}`, { seq: 2 * nth + 1, before: 0, after: "a", since: 0 });
    }
    expect(sql.exec<{ count: number }>("SELECT count(*) AS count FROM telling").one().count).toBeLessThan(10_101);
    expect([kept.get("list:0"), kept.get("list:10299")?.after]).toEqual([undefined, "a"]);
  });
});

test("what is a principal's own is read as that, and no name can pass for another's", () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), (principal, tag) => {
      fc.pre(principal.isWellFormed());
      expect(readOwnTag(ownTag(principal, `resource:${tag}`))).toEqual({ tag: `resource:${tag}`, principal });
      expect(readOwnTag(`resource:${tag}`)).toEqual({ tag: `resource:${tag}` });
    }),
  );
});

/** An isolate that holds an answer and has a listener. */
class Isolate {
  readonly view = new FeedView(() => "i");
  entry: Entry & { content: number };
  heard = 0;
  /** Calls to the origin that are under way. */
  flights: (Entry & { content: number })[] = [];
  /** What it saw, and has not told yet. */
  seen: { before: Isolate["entry"]; after: Isolate["entry"] }[] = [];
  /** Answers of the object that are under way. */
  replies: { question: Question; reply: PulseReply; vouched?: [Isolate["entry"], number] }[] = [];

  constructor(reply: PulseReply, content: number) {
    this.view.hear(this.view.ask(), reply);
    this.entry = this.ask(content, 0);
  }

  ask(content: number, now: number): Isolate["entry"] {
    return { tags: [], scope: "public", ...this.view.position!, storedAt: now, content } as unknown as Isolate["entry"];
  }
}

/** A number of isolates, their object, and an origin whose answer changes. */
/** What the object says with its news. */
const said = (news: News): PulseReply => ({ ...news, announced: [] });

class World {
  object = objectOf();
  content = 0;
  clock = 0;
  changes = 0;
  readonly isolates: Isolate[];

  constructor(count: number) {
    this.isolates = Array.from({ length: count }, () => new Isolate(said(this.object.feed.since(START)), 0));
  }

  change(to: number): void {
    if (to === this.content) return;
    this.content = to;
    this.changes++;
  }

  /** The origin says that something has changed, without saying whether. */
  announce(): void {
    this.object.feed.invalidate([TAG], {}, 0);
  }

  ask(isolate: Isolate): void {
    isolate.flights.push(isolate.ask(this.content, ++this.clock));
  }

  land(isolate: Isolate): void {
    const after = isolate.flights.shift();
    const before = isolate.entry;
    if (!after || before.storedAt > after.storedAt) return;
    isolate.entry = after;
    if (before.content !== after.content) isolate.seen.push({ before, after });
  }

  tell(isolate: Isolate, isLost = false): void {
    const one = isolate.seen.shift();
    if (!one) return;
    const { before, after } = one;
    if (isLost) {
      // The listeners at hand are told all the same.
      isolate.heard++;
      return;
    }
    const question = isolate.view.ask();
    const { toldAt } = this.object.tellings.take(
      {
        tag: TAG,
        before: `${before.content}`,
        after: `${after.content}`,
        isListened: true,
        replacedAt: before.storedAt,
        replaced: { feedId: before.feedId!, seq: before.seq! },
        asked: { feedId: after.feedId!, seq: after.seq! },
      },
      0,
    );
    const reply = said(this.object.feed.since(question));
    isolate.replies.push({ question, reply, vouched: [after, toldAt] });
  }

  pulse(isolate: Isolate): void {
    const question = isolate.view.ask();
    isolate.replies.push({ question, reply: said(this.object.feed.since(question)) });
  }

  deliver(isolate: Isolate, isLost = false): void {
    const one = isolate.replies.shift();
    // A pulse that is lost is made again.
    if (!one || isLost) return;
    const { question, reply, vouched } = one;
    const news = isolate.view.hear(question, reply);
    if (news.told.includes(TAG)) isolate.heard++;
    if (vouched && vouched[1] > 0) isolate.view.vouch(vouched[0], PLACE, TAG, vouched[1]);
    // What may have changed is looked at; and who was told reads it again.
    if (news.isOther || news.invalidated.includes(TAG)) this.recheck(isolate);
  }

  recheck(isolate: Isolate): void {
    if (isolate.view.judge(isolate.entry, PLACE) !== "sound") this.ask(isolate);
  }

  lose(): void {
    this.object = objectOf(`${this.object.feed.head.feedId}'`);
  }

  /** Lets everything that is under way come to its end. */
  settle(): void {
    this.announce();
    for (let round = 0; round < 8; round++) {
      for (const isolate of this.isolates) {
        this.pulse(isolate);
        while (isolate.replies.length > 0) this.deliver(isolate);
        while (isolate.flights.length > 0) this.land(isolate);
        while (isolate.seen.length > 0) this.tell(isolate);
        while (isolate.replies.length > 0) this.deliver(isolate);
      }
    }
  }
}

const START = { seq: 0, feedId: undefined };

type Step = (world: World, isolate: Isolate) => void;
const change = fc.integer({ min: 0, max: 3 }).map(
  (to): Step =>
    (world) =>
      world.change(to),
);
const sound: fc.Arbitrary<Step>[] = [
  change,
  fc.constant<Step>((world) => world.announce()),
  fc.constant<Step>((world, isolate) => world.ask(isolate)),
  fc.constant<Step>((world, isolate) => world.land(isolate)),
  fc.constant<Step>((world, isolate) => world.tell(isolate)),
  fc.constant<Step>((world, isolate) => world.pulse(isolate)),
  fc.constant<Step>((world, isolate) => world.deliver(isolate)),
];
const unsound: fc.Arbitrary<Step>[] = [
  fc.constant<Step>((world) => world.lose()),
  fc.constant<Step>((world, isolate) => world.tell(isolate, true)),
  fc.constant<Step>((world, isolate) => world.deliver(isolate, true)),
];
const episodes = (steps: fc.Arbitrary<Step>[]) =>
  fc.array(fc.array(fc.tuple(fc.nat({ max: 2 }), fc.oneof(...steps)), { maxLength: 30 }), {
    minLength: 1,
    maxLength: 4,
  });

describe("whatever comes in which order", () => {
  test("each listener is told of a change exactly once, and never without one", () => {
    fc.assert(
      fc.property(episodes(sound), (all) => {
        const world = new World(3);
        for (const steps of all) {
          const [content, changes] = [world.content, world.changes];
          const heard = world.isolates.map((isolate) => isolate.heard);
          for (const [which, step] of steps) step(world, world.isolates[which]!);
          world.settle();
          const changed = world.changes - changes;
          for (const [nth, isolate] of world.isolates.entries()) {
            const told = isolate.heard - heard[nth]!;
            expect(isolate.entry.content).toBe(world.content);
            // One that was taken back before anybody looked, nobody could see.
            expect(told).toBeGreaterThanOrEqual(content === world.content ? 0 : 1);
            expect(told).toBeLessThanOrEqual(changed);
          }
          // And there is nothing more to ask for.
          for (const { view, entry } of world.isolates) expect(view.judge(entry, PLACE)).toBe("sound");
        }
      }),
      { numRuns: runs(2_000, 100_000) },
    );
  });

  test("also where calls, or the storage, are lost, each is told of every change that it can see, and never without one", () => {
    fc.assert(
      fc.property(episodes([...sound, ...unsound]), (all) => {
        const world = new World(3);
        for (const steps of all) {
          const content = world.content;
          const heard = world.isolates.map((isolate) => isolate.heard);
          for (const [which, step] of steps) step(world, world.isolates[which]!);
          world.settle();
          for (const [nth, isolate] of world.isolates.entries()) {
            const told = isolate.heard - heard[nth]!;
            expect(isolate.entry.content).toBe(world.content);
            if (content !== world.content) expect(told).toBeGreaterThanOrEqual(1);
            if (world.changes === 0) expect(told).toBe(0);
          }
        }
      }),
      { numRuns: runs(2_000, 100_000) },
    );
  });
});
