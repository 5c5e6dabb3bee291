import { describe, expect, test } from "vitest";
import { decodeEntry, encodeEntry, hashOf } from "../../src/cache/codec.ts";
import type { Entry } from "../../src/cache/entry.ts";
import { resolve } from "../../src/config/resolve.ts";
import { wireError } from "../../src/http/errors.ts";
import type { Answer, Exchange } from "../../src/lanes/Exchange.ts";
import { fromEntry, standIn, standInText } from "../../src/lanes/fromEntry.ts";
import { cacheableMethod } from "../../src/mcp/methods.ts";
import type { Call } from "../../src/mcp/recognise.ts";
import { FeedView } from "../../src/sync/FeedView.ts";
import { emptyIsolate } from "./emptyIsolate.ts";

const NOW = 1_800_000_000_000;
const HIT = { word: "hit", outcome: { kind: "hit", ttlMs: 1 } } as const;
const MISS = { word: "miss", outcome: { kind: "forward", why: "uri-miss", status: 200 } } as const;

/** An isolate that has heard which writes wait. `choosy` and whatever begins so are not to be given meanwhile. */
function setUp(pending: Record<string, number>) {
  const cache = { ttl: "5m" };
  const choosy = { cache, readPending: "refuse" as const };
  const origin = resolve({
    origins: {
      o: {
        service: "S",
        tools: { choosy, easy: { cache }, put: { write: { queue: "when-down", invalidates: ["thing:{id}"] } } },
        resources: { "choosy:*": choosy, "*": { cache } },
        prompts: { choosy },
      },
    },
  }).origins.get("o")!;
  const feed = new FeedView(() => "i");
  const question = feed.ask();
  const reply = { feedId: "f", seq: 1, floor: 0, hardFloor: 0, changes: [], pending };
  feed.hear(question, reply);
  feed.hearPending(question, reply);
  const told = { id: 7, isRequest: true, isToolCall: false, isModern: true, correlationId: "c" };
  const x = {
    origin,
    feed,
    replica: { enabled: true },
    isolate: emptyIsolate(),
    now: () => NOW,
    word: (failure: Parameters<Exchange["word"]>[0]) => wireError(failure, told).body,
  } as unknown as Exchange;
  return x;
}

const callOf = (method: string, target: string | null) =>
  ({ era: "modern", id: 7, method, target, shape: cacheableMethod(method)!, capabilities: {} }) as unknown as Call;

const entryOf = (tags: string[] = []): Entry => ({
  storedAt: NOW - 1_000,
  ttlMs: 60_000,
  staleWhileRevalidateMs: 0,
  staleIfErrorMs: 0,
  promisedMs: 60_000,
  scope: "public",
  era: "modern",
  tags,
  savedAt: NOW,
  hash: "",
  body: '"contents":[]',
  meta: "",
  contentEnd: 0,
});

/** How many writes the answer says that it lacks; `none` where it says nothing of it, else why there is no answer. */
function lackIn(given: Answer): unknown {
  if (given.kind === "failure") return given.failure;
  if (given.kind !== "message") return given.kind;
  const { result } = JSON.parse(given.text) as { result: { _meta: Record<string, { pendingWrites?: number }> } };
  return result._meta["edge-replica/cache"]!.pendingWrites ?? "none";
}

describe("an answer from what is kept", () => {
  test.each<[string, Record<string, number>, string, string | null, string[], unknown]>([
    ["a tag of its own", { "thing:1": 2 }, "tools/call", "easy", ["thing:1", "thing:2"], 2],
    [
      "several of its tags: the most",
      { "thing:1": 2, "thing:2": 5, x: 9 },
      "tools/call",
      "easy",
      ["thing:1", "thing:2"],
      5,
    ],
    ["no tag of its", { "thing:3": 2 }, "tools/call", "easy", ["thing:1"], "none"],
    ["the whole origin", { origin: 3 }, "tools/call", "easy", [], 3],
    ["its method", { "method:tools/call": 3 }, "tools/call", "easy", [], 3],
    ["its tool", { "tool:easy": 3 }, "tools/call", "easy", [], 3],
    ["another tool", { "tool:other": 3 }, "tools/call", "easy", [], "none"],
    ["the resource", { "resource:x://a/b": 1 }, "resources/read", "x://a/b", [], 1],
    ["a resource above it", { "resource:x://a": 1 }, "resources/read", "x://a/b", [], 1],
    ["the list", { "list:resources": 1 }, "resources/list", null, [], 1],
    ["the prompt", { "prompt:p": 1 }, "prompts/get", "p", [], 1],
  ])("says how many writes wait for %s", (_, pending, method, target, tags, lack) => {
    const x = setUp(pending);
    const call = callOf(method, target);
    expect(lackIn(fromEntry(x, call, { ...HIT, entry: entryOf(tags) }))).toBe(lack);
    expect(lackIn(standIn(x, call, entryOf(tags), 503))).toBe(lack);
    expect(lackIn(fromEntry(setUp({}), call, { ...HIT, entry: entryOf(tags) }))).toBe("none");
  });

  test("promises its caller nothing while writes wait for it", () => {
    const promisedIn = (given: Answer) =>
      given.kind === "message" && (JSON.parse(given.text) as { result: { ttlMs: number } }).result.ttlMs;
    const call = callOf("resources/read", "x://a");
    const entry = entryOf();
    expect(promisedIn(fromEntry(setUp({ other: 1 }), call, { ...HIT, entry }))).toBe(59_000);
    expect(promisedIn(fromEntry(setUp({ "resource:x://a": 1 }), call, { ...HIT, entry }))).toBe(0);
  });

  test("counts what waits for the rows that it was made of, which nobody keeps", async () => {
    const entry = { ...entryOf(["collection:things"]), pendingWrites: 4 };
    const x = setUp({ "collection:things": 1, other: 9 });
    expect(lackIn(fromEntry(x, callOf("tools/call", "easy"), { ...HIT, entry }))).toBe(4);
    const saved = await decodeEntry(encodeEntry({ ...entry, hash: await hashOf(entry.body, entry.meta) }));
    expect(saved).toMatchObject({ tags: ["collection:things"] });
    expect(saved).not.toHaveProperty("pendingWrites");
  });
});

describe("an answer that is not to be given while writes wait for it", () => {
  test.each([
    ["tools/call", "choosy"],
    ["resources/read", "choosy:1"],
    ["prompts/get", "choosy"],
  ])("is refused, be it fresh or in place of one that failed: %s", (method, target) => {
    const x = setUp({ a: 2, b: 3 });
    const call = callOf(method, target);
    const failure = { kind: "pending-writes", count: 3, retryAfterMs: 5_000 };
    expect(lackIn(fromEntry(x, call, { ...HIT, entry: entryOf(["a", "b"]) }))).toEqual(failure);
    expect(lackIn(standIn(x, call, entryOf(["a", "b"]), undefined))).toEqual(failure);
    expect(JSON.parse(standInText(x, call, entryOf(["a", "b"])))).toMatchObject({
      id: 7,
      error: { message: expect.stringContaining("3 writes are waiting"), data: { code: "pending_writes" } },
    });
    // What the origin has just said, it has said knowingly; and nothing waits for the other.
    expect(lackIn(fromEntry(x, call, { ...MISS, entry: entryOf(["a"]) }))).toBe(2);
    expect(lackIn(fromEntry(x, call, { ...HIT, entry: entryOf(["c"]) }))).toBe("none");
    expect(JSON.parse(standInText(x, call, entryOf(["c"])))).toHaveProperty("result");
  });

  test("may come again when an origin that is down is asked next", () => {
    const x = setUp({ a: 1 });
    x.feed.health.breaker.open(NOW + 20_000, NOW, 0.5);
    const { probeAt } = x.feed.health.breaker.state;
    expect(lackIn(fromEntry(x, callOf("tools/call", "choosy"), { ...HIT, entry: entryOf(["a"]) }))).toEqual({
      kind: "pending-writes",
      count: 1,
      retryAfterMs: Math.ceil(probeAt - NOW),
    });
  });
});
