import { describe, expect, test } from "vitest";
import type { Entry } from "../../src/cache/entry.ts";
import { implicitTags } from "../../src/cache/implicitTags.ts";
import { Feed, type FeedHead } from "../../src/sync/Feed.ts";
import { FeedView } from "../../src/sync/FeedView.ts";
import { operationId, operationTag } from "../../src/outbox/operationId.ts";

const HEAD: FeedHead = { feedId: "f", seq: 0, floor: 0, hardFloor: 0 };
const NEW = { seq: 0, feedId: undefined };
const TOOL = { method: "tools/call", target: "search" };

/** What of an entry the feed looks at. */
const entry = (seq?: number, tags: string[] = [], feedId = "f") =>
  ({ tags, ...(seq !== undefined && { feedId, seq }) }) as unknown as Entry;

/** A view that has heard all of a feed. */
function viewOf(feed: Feed, view = new FeedView(() => "i")): FeedView {
  const question = view.ask();
  view.hear(question, feed.since(question));
  return view;
}

describe("the feed", () => {
  test("numbers each invalidation, and tells of each tag the latest", () => {
    const feed = new Feed(HEAD);
    feed.invalidate(["a", "b", "a"], {}, 0);
    feed.invalidate(["a"], { hard: true }, 0);
    feed.invalidate(["a"], {}, 0);
    feed.invalidate([], { hard: true }, 0);
    expect(feed.since(NEW)).toEqual({
      ...HEAD,
      seq: 3,
      changes: [
        { tag: "b", seq: 1, hard: 0, told: 0 },
        { tag: "a", seq: 3, hard: 2, told: 0 },
      ],
    });
    expect(feed.since({ seq: 2, feedId: "f" }).changes).toEqual([{ tag: "a", seq: 3, hard: 2, told: 0 }]);
    expect(feed.since({ seq: 3, feedId: "f" }).changes).toEqual([]);
    expect(feed.since({ seq: 3, feedId: "another" }).changes).toHaveLength(2);
  });

  test("forgets the oldest of too many, and raises the floor over them", () => {
    const feed = new Feed(HEAD, [], { tags: 2, ms: 1_000 });
    feed.invalidate(["a"], { hard: true }, 0);
    feed.invalidate(["b"], {}, 0);
    expect(feed.head).toMatchObject({ floor: 0, hardFloor: 0 });
    expect(feed.invalidate(["c"], {}, 0)).toMatchObject({ dropped: ["a"] });
    expect(feed.head).toEqual({ feedId: "f", seq: 3, floor: 1, hardFloor: 1 });
    expect(feed.invalidate(["d"], {}, 0)).toMatchObject({ dropped: ["b"] });
    expect(feed.head).toMatchObject({ floor: 2, hardFloor: 1 });
  });

  test("forgets what is too old", () => {
    const feed = new Feed(HEAD, [], { tags: 9, ms: 1_000 });
    feed.invalidate(["a"], {}, 0);
    feed.invalidate(["b"], {}, 1_000);
    expect(feed.head.floor).toBe(0);
    expect(feed.invalidate(["c"], {}, 1_001).dropped).toEqual(["a"]);
    expect(feed.head.floor).toBe(1);
  });

  test("more tags at once than it remembers are one floor", () => {
    const feed = new Feed(HEAD, [], { tags: 2, ms: 1_000 });
    const { rows, dropped } = feed.invalidate(["a", "b", "c"], { hard: true }, 0);
    expect(rows.map(({ tag }) => tag)).toEqual(["b", "c"]);
    expect(dropped).toEqual(["a"]);
    expect(viewOf(feed).judge(entry(0, ["a"]), TOOL)).toBe("gone");
    expect(viewOf(feed).judge(entry(1, ["a"]), TOOL)).toBe("sound");
  });
});

describe("an isolate's view", () => {
  test("has nothing against anything while nothing was heard", () => {
    const view = new FeedView(() => "i");
    expect(view.position).toBeUndefined();
    expect([entry(), entry(1), entry(1, [], "another")].map((one) => view.judge(one, TOOL))).toEqual([
      "sound",
      "sound",
      "sound",
    ]);
  });

  test("finds stale what was asked for before one of its tags was invalidated, and gone where that was hard", () => {
    const feed = new Feed(HEAD);
    feed.invalidate(["product:1"], {}, 0);
    feed.invalidate(["tool:search"], {}, 0);
    feed.invalidate(["product:2"], { hard: true }, 0);
    const view = viewOf(feed);
    expect(view.position).toEqual({ feedId: "f", seq: 3 });
    expect(view.judge(entry(0, ["product:1"]), { ...TOOL, target: "other" })).toBe("stale");
    expect(view.judge(entry(1, ["product:1"]), { ...TOOL, target: "other" })).toBe("sound");
    expect(view.judge(entry(1), TOOL)).toBe("stale");
    expect(view.judge(entry(2), TOOL)).toBe("sound");
    expect(view.judge(entry(1, ["product:2"]), TOOL)).toBe("gone");
    // Asked for by somebody who knew more.
    expect(view.judge(entry(9, ["product:2"]), TOOL)).toBe("sound");
  });

  test("does not go back where a later question was answered earlier", () => {
    const feed = new Feed(HEAD);
    feed.invalidate(["a"], {}, 0);
    const view = new FeedView(() => "i");
    const questions = [view.ask(), view.ask()];
    const early = feed.since(questions[1]!);
    feed.invalidate(["a"], {}, 0);
    view.hear(questions[0]!, feed.since(questions[0]!));
    view.hear(questions[1]!, early);
    expect(view.position).toEqual({ feedId: "f", seq: 2 });
    expect(view.judge(entry(1, ["a"]), TOOL)).toBe("stale");
  });

  test("does not go back to a feed that was lost meanwhile", () => {
    const [lost, feed] = [new Feed(HEAD), new Feed({ ...HEAD, feedId: "another" })];
    const view = new FeedView(() => "i");
    const questions = [view.ask(), view.ask()];
    const early = lost.since(questions[1]!);
    feed.invalidate(["a"], {}, 0);
    view.hear(questions[0]!, feed.since(questions[0]!));
    view.hear(questions[1]!, early);
    expect(view.position).toEqual({ feedId: "another", seq: 1 });
    // A question put since is answered by the latest.
    viewOf(new Feed({ ...HEAD, feedId: "a third" }), view);
    expect(view.position).toEqual({ feedId: "a third", seq: 0 });
  });

  test("a soft invalidation after a hard one brings nothing back", () => {
    const feed = new Feed(HEAD);
    feed.invalidate(["a"], { hard: true }, 0);
    feed.invalidate(["a"], {}, 0);
    expect(viewOf(feed).judge(entry(0, ["a"]), TOOL)).toBe("gone");
    expect(viewOf(feed).judge(entry(1, ["a"]), TOOL)).toBe("stale");
  });

  test("suspects what is of another feed, of none, or from before what is remembered", () => {
    const feed = new Feed({ feedId: "f", seq: 9, floor: 5, hardFloor: 2 });
    const view = viewOf(feed);
    expect(view.judge(entry(), TOOL)).toBe("suspect");
    expect(view.judge(entry(100, [], "another"), TOOL)).toBe("suspect");
    expect(view.judge(entry(4), TOOL)).toBe("suspect");
    expect(view.judge(entry(5), TOOL)).toBe("sound");
    expect(view.judge(entry(1), TOOL)).toBe("gone");
  });

  test("looks at an entry once, until something is heard that may concern it", () => {
    const feed = new Feed(HEAD);
    const view = viewOf(feed);
    const one = entry(0);
    expect(view.judge(one, TOOL)).toBe("sound");
    expect(one.soundAt).toBe(view.version);
    viewOf(feed, view);
    expect(one.soundAt).toBe(view.version);
    feed.invalidate(["method:tools/call"], {}, 0);
    viewOf(feed, view);
    expect(one.soundAt).not.toBe(view.version);
    expect(view.judge(one, TOOL)).toBe("stale");
  });

  test("does not go by an answer that another has overtaken", () => {
    const feed = new Feed(HEAD);
    const view = viewOf(feed);
    const [first, second] = [view.ask(), view.ask()];
    const early = feed.since(first);
    const other = new Feed({ ...HEAD, feedId: "g" });
    view.hear(second, other.since(second));
    view.hear(first, early);
    expect(view.position?.feedId).toBe("g");
  });

  test("does not go by what has changed since what it does not know any more", () => {
    const feed = new Feed(HEAD);
    feed.invalidate(["a"], {}, 0);
    const view = viewOf(feed);
    const [first, second] = [view.ask(), view.ask()];
    const other = new Feed({ ...HEAD, feedId: "g" });
    view.hear(first, other.since(first));
    view.hear(second, feed.since(second));
    expect(view.position?.feedId).toBe("g");
  });

  test("names the latest invalidation that concerns an answer", () => {
    const feed = new Feed({ ...HEAD, seq: 3, floor: 2 });
    const view = viewOf(feed);
    expect(view.latest(TOOL, ["a"])).toBe(2);
    feed.invalidate(["a"], {}, 0);
    feed.invalidate(["b"], {}, 0);
    viewOf(feed, view);
    expect([view.latest(TOOL, ["a"]), view.latest(TOOL, ["b", "a"]), view.latest(TOOL, [])]).toEqual([4, 5, 2]);
  });
});

describe("the tags of operations", () => {
  const operation = (nth: number) => operationTag(operationId(nth.toString(16).padStart(32, "0")));

  test("put nothing in doubt when they are forgotten, and push out no others", () => {
    const feed = new Feed(HEAD, [], { tags: 2, operations: 2, ms: 1_000 });
    feed.invalidate(["a", "b"], {}, 0);
    for (const nth of [1, 2]) feed.invalidate([operation(nth)], { told: true }, 0);
    expect(feed.invalidate([operation(3)], { told: true }, 0)).toMatchObject({ dropped: [operation(1)] });
    expect(feed.head).toMatchObject({ seq: 4, floor: 0, hardFloor: 0 });
    expect([feed.seqOf("a"), feed.seqOf(operation(1)), feed.seqOf("b")]).toEqual([1, 0, 1]);
    const many = [4, 5, 6].map(operation);
    expect(feed.invalidate(many, { told: true }, 0).rows.map(({ tag }) => tag)).toEqual(many.slice(1));
    expect(feed.invalidate([operation(7)], { told: true }, 1_001).dropped).toEqual([...many.slice(1), "a", "b"]);
    expect(feed.head.floor).toBe(1);
  });

  test("are told to those who know the feed, and concern nothing that is kept", () => {
    const feed = new Feed(HEAD);
    feed.invalidate([operation(1)], { told: true }, 0);
    expect(feed.since(NEW)).toEqual({ ...HEAD, seq: 1, changes: [] });
    const view = viewOf(feed);
    feed.invalidate([operation(2)], { told: true }, 0);
    const question = view.ask();
    const heard = view.hear(question, feed.since(question));
    expect(heard.told).toEqual([operation(2)]);
    expect(view.judge(entry(1, [operation(2)]), TOOL)).toBe("sound");
    expect(view.latest(TOOL, [operation(2)])).toBe(0);
  });
});

describe("the writes that wait", () => {
  const said = (seq: number, pending?: Record<string, number>, feedId = "f") => ({
    ...HEAD,
    feedId,
    seq,
    changes: [],
    ...(pending && { pending }),
  });

  /** Says to a view what it hears, in that order. */
  const told = (...replies: [nth: number, reply: ReturnType<typeof said>][]) => {
    const view = new FeedView(() => "i");
    const questions = replies.map(() => view.ask());
    for (const [nth, reply] of replies) {
      view.hear(questions[nth]!, reply);
      view.hearPending(questions[nth]!, reply);
    }
    return Object.fromEntries(view.pending);
  };

  test("are none where nothing is said of them", () => {
    expect(told()).toEqual({});
    expect(told([0, said(1, { a: 2 })])).toEqual({ a: 2 });
    expect(told([0, said(1, { a: 2 })], [1, said(1)])).toEqual({});
  });

  test("are as the latest has said, whichever came last", () => {
    expect(told([1, said(1)], [0, said(1, { a: 1 })])).toEqual({});
    expect(told([1, said(2)], [0, said(1, { a: 1 })])).toEqual({});
    // What knows more of the feed is later, whoever asked first.
    expect(told([1, said(1)], [0, said(2, { a: 1 })])).toEqual({ a: 1 });
    // The answer of a feed that was lost is none.
    expect(told([0, said(5, { a: 1 })], [1, said(1, { b: 3 }, "g")])).toEqual({ a: 1 });
    expect(told([1, said(1, { b: 3 }, "g")], [0, said(5, { a: 1 })])).toEqual({ b: 3 });
  });
});

test.each([
  ["tools/call", "t", ["tool:t"]],
  ["resources/read", "x://1", ["resource:x://1"]],
  ["prompts/get", "p", ["prompt:p"]],
  ["tools/list", null, ["list:tools"]],
  ["prompts/list", null, ["list:prompts"]],
  ["resources/list", null, ["list:resources"]],
  ["resources/templates/list", null, ["list:resources"]],
  ["server/discover", null, []],
  ["initialize", "2025-06-18", []],
])("an answer to %s has tags of its own", (method, target, own) => {
  expect(implicitTags({ method, target })).toEqual(["origin", `method:${method}`, ...own]);
});

test("a name that is too long for a tag is cut for the entry as it is for the feed", () => {
  const [long, other] = ["a", "b"].map((end) => `x://${"y".repeat(600)}${end}`) as [string, string];
  const tags = (target: string) => implicitTags({ method: "resources/read", target });
  expect(tags(long)[2]).toHaveLength(512);
  expect(tags(long)).toEqual(tags(other));
  const feed = new Feed(HEAD);
  feed.invalidate(["t".repeat(512)], {}, 0);
  expect(viewOf(feed).judge(entry(0, ["t".repeat(600)]), TOOL)).toBe("stale");
});
