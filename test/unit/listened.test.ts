import canonicalize from "canonicalize";
import { describe, expect, test, vi } from "vitest";
import { above, concerning, isBelow } from "../../src/cache/concerning.ts";
import type { Entry } from "../../src/cache/entry.ts";
import type { Address } from "../../src/cache/key.ts";
import { resolve } from "../../src/config/resolve.ts";
import { Doubts } from "../../src/lanes/Doubts.ts";
import type { Exchange } from "../../src/lanes/Exchange.ts";
import { heard } from "../../src/lanes/heard.ts";
import { noteChange } from "../../src/lanes/noteChange.ts";
import type { Change, ListName } from "../../src/mcp/change.ts";
import { toolChanges } from "../../src/mcp/toolChanges.ts";
import { Feed, type Since } from "../../src/sync/Feed.ts";
import { FeedView } from "../../src/sync/FeedView.ts";
import { Interests } from "../../src/sync/Interests.ts";
import { Listening } from "../../src/sync/Listening.ts";
import { OpenStreams } from "../../src/sync/OpenStreams.ts";
import type { Interest } from "../../src/sync/Pulse.ts";
import type { Sighting } from "../../src/sync/Sighting.ts";

const filter = (lists: ListName[], uris: string[] = []) => ({ lists: new Set(lists), uris: new Set(uris) });

describe("what the streams of an isolate are to tell of", () => {
  test("is all of it, of one origin, as long as they are heard of", () => {
    const streams = new OpenStreams();
    const one = streams.open(0, "ann", { originId: "o", filter: filter(["tools"], ["x://1"]) })!;
    const two = streams.open(0, "bob", { originId: "o", filter: filter(["prompts"], ["x://1", "x://2"]) })!;
    streams.open(0, "bob", { originId: "p", filter: filter(["resources"]) });
    expect(streams.wantedOf("o", 0)).toEqual({ lists: ["tools", "prompts"], uris: ["x://1", "x://2"] });
    expect(streams.wants("o", { kind: "list", list: "resources" })).toBe(false);
    expect(streams.wants("o", { kind: "resource", uri: "x://2" })).toBe(true);
    streams.heard(two, 60_000);
    expect(streams.wantedOf("o", 60_001)).toEqual({ lists: ["prompts"], uris: ["x://1", "x://2"] });
    streams.close(one);
    streams.close(two);
    expect(streams.wantedOf("o", 60_001)).toEqual({ lists: [], uris: [] });
  });

  test("is bounded, and nobody's many keep out another's few", () => {
    const streams = new OpenStreams();
    const many = (of: string) => Array.from({ length: 1_000 }, (_, nth) => `x://${of}/${nth}`);
    streams.open(0, "ann", { originId: "o", filter: filter([], many("a")) });
    streams.open(0, "ann", { originId: "o", filter: filter([], many("b")) });
    streams.open(0, "bob", { originId: "o", filter: filter([], ["x://mine"]) });
    const { uris } = streams.wantedOf("o", 0);
    expect([uris.length, uris.includes("x://mine")]).toEqual([1_000, true]);
    const long = new OpenStreams();
    long.open(0, "ann", { originId: "o", filter: filter([], many("y".repeat(1_000))) });
    expect(long.wantedOf("o", 0).uris.length).toBeLessThan(140);
  });
});

describe("what all isolates are interested in", () => {
  const interest = (lists: ListName[], uris: string[] = [], more: Partial<Interest> = {}): Interest => ({
    wantsListen: true,
    lists,
    uris,
    ...more,
  });

  test("is all of it, until one wants something else, or is silent", () => {
    const interests = new Interests();
    expect(interests.listened).toBeUndefined();
    interests.note("i", interest(["tools"], ["x://1"]), 0);
    interests.note("j", interest(["prompts"]), 0);
    expect(interests.listened).toEqual({ lists: ["tools", "prompts"], resources: true });
    expect([interests.has("list:tools"), interests.has("resource:x://1"), interests.has("list:resources")]).toEqual([
      true,
      true,
      false,
    ]);
    interests.note("i", interest(["tools"]), 60_000);
    expect(interests.listened).toEqual({ lists: ["prompts", "tools"], resources: false });
    interests.note("i", interest(["tools"]), 120_001);
    expect(interests.listened).toEqual({ lists: ["tools"], resources: false });
  });

  test("is bounded", () => {
    const interests = new Interests();
    for (let nth = 0; nth < 6; nth++) {
      const uris = Array.from({ length: 1_000 }, (_, one) => `x://${nth}/${one}`);
      interests.note(`i${nth}`, interest([], uris), 0);
    }
    expect(interests.uris.size).toBe(5_000);
  });

  test("is bounded in length too, of each isolate some; who finds no room is told of lists", () => {
    const uris = (of: string, count: number) => Array.from({ length: count }, (_, one) => `x://${of}/${one}`);
    const few = new Interests({ names: 4, characters: 1_000 });
    few.note("i", interest([], uris("i", 9)), 0);
    few.note("j", interest([], uris("j", 9)), 0);
    expect([...few.uris].toSorted()).toEqual(["x://i/0", "x://i/1", "x://j/0", "x://j/1"]);
    const short = new Interests({ names: 9, characters: 20 });
    short.note("i", interest([], ["x://long/long/long/long", "x://i/0"]), 0);
    short.note("j", interest([], uris("j", 9)), 0);
    expect([...short.uris].toSorted()).toEqual(["x://i/0", "x://j/0"]);
    const full = new Interests({ names: 9, characters: 1_000 }, 20);
    full.note("i", interest(["tools"], uris("i", 2)), 0);
    full.note("j", interest(["prompts"], uris("j", 2)), 0);
    expect([[...full.uris], full.listened?.lists]).toEqual([uris("i", 2), ["tools", "prompts"]]);
    full.note("i", interest(["tools"]), 0);
    full.note("j", interest(["prompts"], uris("j", 2)), 0);
    expect([...full.uris]).toEqual(uris("j", 2));
  });

  test("of an origin is known what any of them has found out", () => {
    const interests = new Interests();
    interests.note("i", interest([], [], { modern: false, legacy: "sessions" }), 0);
    interests.note("j", interest([]), 0);
    expect(interests.eras).toEqual({ modern: false, legacy: "sessions" });
  });
});

describe("by what an answer may be invalidated", () => {
  test("a resource by those above it", () => {
    expect(above("x://a/b?c#d")).toEqual(["x://a/b?c", "x://a/b", "x://a/", "x://a"]);
    expect(above("x://a")).toEqual([]);
    expect(above("x://a/")).toEqual(["x://a"]);
    expect(above("urn:a/b")).toEqual(["urn:a/", "urn:a"]);
    expect(above(`x://${"a/".repeat(10_000)}`)).toHaveLength(16);
    expect([isBelow("x://a/b", "x://a"), isBelow("x://ab", "x://a"), isBelow("x://a", "x://a")]).toEqual([
      true,
      false,
      false,
    ]);
    const feed = new Feed({ feedId: "f", seq: 0, floor: 0, hardFloor: 0 });
    const view = new FeedView(() => "i");
    feed.invalidate(["resource:x://a"], {}, 0);
    view.hear(view.ask(), feed.since({ seq: 0, feedId: undefined }));
    const judge = (target: string) =>
      view.judge({ tags: [], feedId: "f", seq: 0, scope: "public" } as unknown as Entry, {
        method: "resources/read",
        target,
      });
    expect(["x://a", "x://a/b", "x://a?b", "x://ab", "x://"].map(judge)).toEqual([
      "stale",
      "stale",
      "stale",
      "sound",
      "sound",
    ]);
  });

  test("a private one by what its principal alone is told of", () => {
    const place = { method: "tools/list", target: null, partition: { scope: "private", principal: "a b" } } as const;
    expect(concerning(place, [], "private")).toContain("@a%20b list:tools");
    expect(concerning(place, [], "public").some((tag) => tag.startsWith("@"))).toBe(false);
  });
});

test("what has changed among the tools is named, whatever the order of anything", () => {
  const tool = (name: string, more = {}) => ({ name, inputSchema: { type: "object", ...more } });
  const before = { tools: [tool("same", { a: 1, b: 2 }), tool("changed", { a: 1 }), tool("gone"), 7] };
  const after = { tools: [tool("new"), tool("changed", { a: 2 }), tool("same", { b: 2, a: 1 })] };
  expect(toolChanges(before, after, canonicalize)).toEqual({ added: ["new"], removed: ["gone"], changed: ["changed"] });
  const many = { tools: Array.from({ length: 60 }, (_, nth) => tool(`${nth}`.padEnd(300, "x"))) };
  const { added } = toolChanges({}, many, canonicalize);
  expect([added.length, added[0]!.length]).toEqual([50, 200]);
  // Half of a pair has no canonical form.
  const odd = (text: string) => ({ tools: [tool("odd", { text })] });
  expect(toolChanges(odd("\ud800"), odd("\ud800"), canonicalize).changed).toEqual([]);
  expect(toolChanges(odd("\ud800"), odd("\ud801"), canonicalize).changed).toEqual(["odd"]);
});

test("what is doubtful is looked at until that is settled, so often and no more", () => {
  const doubts = new Doubts();
  const change: Change = { kind: "list", list: "tools" };
  doubts.add([change], 0);
  expect(doubts.due(0)).toMatchObject([{ change, since: 0 }]);
  expect(doubts.due(4_999)).toEqual([]);
  doubts.add([change], 5_000, 7);
  expect(doubts.due(5_000)).toMatchObject([{ change, since: 7 }]);
  doubts.settle(change);
  expect(doubts.due(1e9)).toEqual([]);
  doubts.add([change], 0);
  let looks = 0;
  for (let now = 0; now < 1e6; now += 5_000) looks += doubts.due(now).length;
  expect(looks).toBe(12);
  doubts.add(
    Array.from({ length: 25 }, (_, nth): Change => ({ kind: "resource", uri: `${nth}` })),
    0,
  );
  expect([doubts.due(0).length, doubts.due(0).length, doubts.due(0).length]).toEqual([10, 10, 5]);
});

describe("what an isolate hears", () => {
  const NEWS = { isOther: false, invalidated: [] as string[], told: [] as string[] };
  function setUp() {
    const listening = new Listening();
    const catalogues = new Map([["o", { readAt: 1 }]]);
    const feed = { doubted: new Set<string>() };
    const isolate = { listening, catalogues } as unknown as Exchange["isolate"];
    return {
      listening,
      feed,
      catalogue: catalogues.get("o")!,
      hear: (news: typeof NEWS) => heard(isolate, "o", feed, news),
    };
  }
  const words = ({ changes }: Listening) =>
    [...changes.since(0)].map(({ kind, tag, principal }) => [kind, tag, principal]);

  test("is for its listeners: what was told, and what is doubtful, of what they can name", () => {
    const { listening, feed, catalogue, hear } = setUp();
    hear({ ...NEWS, invalidated: ["list:prompts"] });
    // Where nobody listens, only what is kept of the lists is of interest.
    expect([words(listening), [...feed.doubted]]).toEqual([[], ["list:prompts"]]);
    listening.streams.open(0);
    const told = ["@ann list:tools", "resource:x://1"];
    hear({ ...NEWS, invalidated: [...told, "list:resources", "product:1", "tool:t", "resource:x://2"], told });
    expect(words(listening)).toEqual([
      ["told", "list:tools", "ann"],
      ["told", "resource:x://1", undefined],
      ["doubted", "list:resources", undefined],
      ["doubted", "resource:x://2", undefined],
    ]);
    expect([[...feed.doubted], catalogue.readAt]).toEqual([["list:prompts", "list:resources"], 1]);
    hear({ ...NEWS, invalidated: ["list:tools"], told: ["list:tools"] });
    expect(catalogue.readAt).toBe(0);
  });

  test("of another feed, or of very much, is that all is doubtful", () => {
    const { listening, hear } = setUp();
    listening.streams.open(0);
    hear({ ...NEWS, isOther: true, told: ["list:tools"] });
    hear({ ...NEWS, invalidated: Array.from({ length: 201 }, (_, nth) => `resource:${nth}`) });
    expect(words(listening)).toEqual([
      ["told", "list:tools", undefined],
      ["doubted", "origin", undefined],
      ["doubted", "origin", undefined],
    ]);
  });
});

describe("a change that an isolate sees", () => {
  function setUp(sight: (sightings: Sighting[], since: Since) => Promise<unknown>, now = 0) {
    const listening = new Listening();
    const reports: unknown[] = [];
    const background: Promise<unknown>[] = [];
    const view = new FeedView(() => "i");
    const x = {
      origin: resolve({ origins: { o: { service: "S" } } }).origins.get("o"),
      feed: view,
      isolate: { listening, catalogues: new Map() },
      env: { ORIGIN_SYNC: { idFromName: String, get: () => ({ sight }) } },
      now: () => now,
      waitUntil: (work: Promise<unknown>) => void background.push(work),
      report: (event: unknown) => void reports.push(event),
    } as unknown as Exchange;
    const address = (uri: string) =>
      ({ text: uri, originId: "o", method: "resources/read", target: uri, partition: { scope: "public" } }) as Address;
    const entry = (text: string) =>
      ({ era: "modern", hash: text, body: text, storedAt: 0, tags: [] }) as unknown as Entry;
    const see = (uri: string, before = "a", after = "b") => noteChange(x, address(uri), entry(before), entry(after));
    return { listening, reports, background, view, see };
  }
  const down = async () => {
    throw new Error("no such object");
  };

  test("is told here where the object cannot be reached, and that is reported", async () => {
    const { listening, reports, background, see } = setUp(down);
    listening.streams.open(0);
    see("x://1");
    await Promise.all(background);
    expect([...listening.changes.since(0)]).toEqual([
      { originId: "o", kind: "told", tag: "resource:x://1", principal: undefined },
    ]);
    const reason = "Error: no such object";
    expect(reports).toEqual([{ type: "sync-failed", operation: "sight", origin: "o", reason }]);
  });

  test("is told the object together with what comes with it, where anybody may want to know", async () => {
    const calls: string[][] = [];
    const { background, view, see } = setUp(async (sightings) => {
      calls.push(sightings.map(({ tag }) => tag));
      return { feedId: "f", seq: 0, floor: 0, hardFloor: 0, changes: [], toldAt: sightings.map(() => 0) };
    });
    see("x://nobody");
    view.listened = { lists: [], resources: true };
    see("x://1");
    see("x://2");
    see("x://same", "a", "a");
    await Promise.all(background);
    expect(calls).toEqual([["resource:x://1", "resource:x://2"]]);
  });

  test("soon after another is told together with what else comes soon", async () => {
    const calls: string[][] = [];
    const { background, listening, see } = setUp(async (sightings) => {
      calls.push(sightings.map(({ tag }) => tag));
      return { feedId: "f", seq: 0, floor: 0, hardFloor: 0, changes: [], toldAt: sightings.map(() => 0) };
    }, 1_000);
    listening.streams.open(1_000);
    const waits: { ms: number; over: () => void }[] = [];
    const wait = vi
      .spyOn(scheduler, "wait")
      .mockImplementation((ms) => new Promise<void>((over) => waits.push({ ms, over })));
    try {
      see("x://1");
      waits[0]!.over();
      await Promise.all(background);
      see("x://2");
      // However long that takes.
      for (let turn = 0; turn < 10; turn++) await Promise.resolve();
      see("x://3");
      expect(waits.map(({ ms }) => ms)).toEqual([0, 100]);
      waits[1]!.over();
      await Promise.all(background);
      expect(calls).toEqual([["resource:x://1"], ["resource:x://2", "resource:x://3"]]);
    } finally {
      wait.mockRestore();
    }
  });

  test("is not held without end while the object does not answer", () => {
    const { listening, reports, see, view } = setUp(() => new Promise(() => {}));
    listening.streams.open(0);
    for (let nth = 0; nth < 1_001; nth++) see(`x://${nth}`);
    expect(view.seen).toHaveLength(1_000);
    expect(reports).toMatchObject([{ type: "sync-failed", operation: "sight" }]);
  });
});
