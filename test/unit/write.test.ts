import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { resolve } from "../../src/config/resolve.ts";
import type { Answer, Exchange } from "../../src/lanes/Exchange.ts";
import { outcomeOf, outcomeOfReply } from "../../src/lanes/outcomeOf.ts";
import { trust } from "../../src/lanes/trust.ts";
import { writeOf } from "../../src/lanes/Write.ts";
import { FeedView } from "../../src/sync/FeedView.ts";
import type { PulseReply } from "../../src/sync/Pulse.ts";
import { Tally } from "../../src/telemetry/Tally.ts";
import { emptyIsolate } from "./emptyIsolate.ts";

const REPLY: PulseReply = { feedId: "f", seq: 0, floor: 0, hardFloor: 0, changes: [], announced: [] };
const TOOLS = {
  put: { write: { invalidates: ["item:{id}", "all"] } },
  get: { cache: { ttl: "1m", tags: ["item:{id}"] } },
  free: { write: { invalidates: ["nothing"] } },
};

/** A request, and an object that answers as it is told, or fails where that is an error. */
function setUp(body: unknown, answer: (what: string) => object | Promise<object> = () => ({}), exact = true) {
  const calls: [string, unknown][] = [];
  const background: Promise<unknown>[] = [];
  const reports: { operation?: string }[] = [];
  const method = (name: string) => async (what: unknown) => {
    calls.push([name, what]);
    return { ...REPLY, ...(await answer(name)) };
  };
  const announce = method("announce");
  const object = {
    announce: async (what: unknown) => ({ isAnnounced: true, ...(await announce(what)) }),
    conclude: method("conclude"),
    pulse: method("pulse"),
    invalidate: method("invalidate"),
  };
  const x = {
    replica: { enabled: true },
    origin: resolve({ origins: { o: { service: "S", timeout: { total: "10s" }, tools: TOOLS } } }).origins.get("o"),
    feed: new FeedView(() => "i"),
    isolate: emptyIsolate(),
    tally: new Tally(() => undefined),
    env: { ORIGIN_SYNC: { idFromName: (name: string) => name, get: () => object } },
    httpMethod: "POST",
    body,
    scan: { exact },
    now: () => 0,
    random: () => 0.5,
    waitUntil: (work: Promise<unknown>) => void background.push(work),
    report: (event: object) => void reports.push(event),
  } as unknown as Exchange;
  const names = () => calls.map(([name]) => name);
  return { x, calls, names, background, reports };
}

const calling = (name: unknown, args: unknown = { id: 7 }) => ({
  method: "tools/call",
  params: { name, arguments: args },
});
const down = () => {
  throw new Error("down");
};

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe("a write", () => {
  test.each([
    ["another tool", calling("get")],
    ["another method", { method: "tools/list", params: { name: "put" } }],
    ["no parameters", { method: "tools/call" }],
    ["a response", { result: {} }],
  ])("is not %s", (_, body) => {
    expect(writeOf(setUp(body).x)).toBeUndefined();
  });

  test("is announced with its tags until its end has been told", async () => {
    const { x, calls } = setUp(calling("put"));
    const write = writeOf(x)!;
    expect(await write.announce()).toBe(true);
    await write.end("applied");
    // Once, whoever says it again.
    await write.end("unknown");
    const tags = ["item:7", "all"];
    expect(calls).toEqual([
      ["announce", { id: expect.any(String), tags, lapseMs: 40_000 }],
      ["conclude", { id: (calls[0]![1] as { id: string }).id, tags, isApplied: true }],
    ]);
    expect(x.feed.position).toEqual({ feedId: "f", seq: 0 });
  });

  test("says so as long as it goes on, and no longer", async () => {
    const { x, names, background } = setUp(calling("put"));
    const write = writeOf(x)!;
    await write.announce();
    await vi.advanceTimersByTimeAsync(59_999);
    await Promise.all(background);
    expect(names()).toEqual(["announce", "announce", "announce"]);
    await write.end("not-applied");
    await vi.advanceTimersByTimeAsync(100_000);
    expect(names()).toEqual(["announce", "announce", "announce", "conclude"]);
  });

  test("of which nobody knows the end is left to lapse", async () => {
    const { x, names } = setUp(calling("put"));
    const write = writeOf(x)!;
    await write.announce();
    await write.end("unknown");
    await vi.advanceTimersByTimeAsync(100_000);
    expect(names()).toEqual(["announce"]);
  });

  test("does not end before what was said last of its going on has arrived", async () => {
    let arrive!: () => void;
    const { x, names } = setUp(calling("put"), (what) =>
      what === "announce" && names().length > 1 ? new Promise((resolve) => (arrive = () => resolve({}))) : {},
    );
    const write = writeOf(x)!;
    await write.announce();
    await vi.advanceTimersByTimeAsync(20_000);
    const ended = write.end("applied");
    await vi.advanceTimersByTimeAsync(1_000);
    expect(names()).toEqual(["announce", "announce"]);
    arrive();
    await ended;
    expect(names()).toEqual(["announce", "announce", "conclude"]);
  });

  test("that cannot be announced is not made where strict callers count on it", async () => {
    for (const answer of [down, () => ({ isAnnounced: false }), () => new Promise<object>(() => {})]) {
      for (const [name, mayGo] of [
        ["put", false],
        ["free", true],
      ] as const) {
        const { x } = setUp(calling(name), answer);
        const announced = writeOf(x)!.announce();
        await vi.advanceTimersByTimeAsync(2_000);
        expect(await announced).toBe(mayGo);
      }
    }
    const { x } = setUp(calling("put"), down);
    expect(await writeOf({ ...x, replica: { ...x.replica, enabled: false } })!.announce()).toBe(true);
  });

  test("is taken back where it was announced after all, and not made", async () => {
    let isLate = true;
    const { x, names, background } = setUp(calling("put"), (what) =>
      what === "announce" && isLate ? new Promise(() => {}) : {},
    );
    const announced = writeOf(x)!.announce();
    await vi.advanceTimersByTimeAsync(2_000);
    isLate = false;
    expect(await announced).toBe(false);
    await Promise.all(background);
    expect(names()).toEqual(["announce", "conclude"]);
  });

  test("whose end nobody takes in is told again, a few times", async () => {
    let failures = 2;
    const { x, calls, names, reports, background } = setUp(calling("put"), (what) =>
      what === "conclude" && failures-- > 0 ? down() : {},
    );
    const write = writeOf(x)!;
    await write.announce();
    const ended = write.end("applied");
    await vi.advanceTimersByTimeAsync(1_000);
    await ended;
    expect(names()).toEqual(["announce", "conclude", "conclude", "conclude"]);
    expect(reports.map(({ operation }) => operation)).toEqual(["conclude", "conclude"]);
    failures = 100;
    const other = writeOf(x)!;
    const given = other.end("applied");
    await vi.advanceTimersByTimeAsync(1_000);
    await given;
    expect(failures).toBe(97);
    // Then its tags are invalidated as soon as somebody can be told of that.
    await Promise.all(background);
    expect(calls.at(-1)).toEqual(["invalidate", ["item:7", "all"]]);
  });

  test("with a number that two readers may read differently changes all of the origin", async () => {
    const { x, calls } = setUp(calling("put"), () => ({}), false);
    await writeOf(x)!.announce();
    expect(calls).toMatchObject([["announce", { tags: ["origin"] }]]);
  });
});

describe("what an answer says of a write", () => {
  test.each([
    [{ result: {} }, "applied"],
    [{ result: { resultType: "complete", isError: false } }, "applied"],
    [{ result: { isError: true } }, "not-applied"],
    [{ result: { isError: true, _meta: { "edge-replica/error": { code: "origin_timeout" } } } }, "unknown"],
    [{ result: { resultType: "input_required" } }, "unknown"],
    [{ result: { task: { taskId: "t" } } }, "unknown"],
    [{ error: { code: -32603 } }, "not-applied"],
    [{ result: null }, "applied"],
    [[{ method: "notifications/progress" }, { id: 1, error: {} }], "not-applied"],
    [[], "applied"],
    ["nothing", "applied"],
  ])("%j: %s", (reply, outcome) => {
    expect(outcomeOfReply(JSON.stringify(reply))).toBe(outcome);
  });

  test("no JSON", () => expect(outcomeOfReply("{")).toBe("applied"));

  const failed = (failure: object) => ({ kind: "failure", failure: { kind: "origin", failure } });
  const streamed = (status: number) => ({ kind: "stream", response: new Response(null, { status }) });
  const message = (status: number) => ({ kind: "message", status, text: '{"error":{}}' });
  test.each<[string, object, string]>([
    ["an error", message(200), "not-applied"],
    ["an error behind a gateway", message(502), "unknown"],
    ["what is too large to be read", streamed(200), "applied"],
    ["that it was accepted", streamed(202), "unknown"],
    ["that a session is over", streamed(404), "not-applied"],
    ["that the replica sent nothing", { kind: "failure", failure: { kind: "not-announced" } }, "not-applied"],
    ["that it was not sent for want of a secret", failed({ kind: "misconfigured" }), "not-applied"],
    ["that the replica was refused", failed({ kind: "refused", status: 401 }), "not-applied"],
    ["4xx", failed({ kind: "garbage", status: 418 }), "not-applied"],
    ["what is no MCP", failed({ kind: "garbage" }), "applied"],
    ["429", failed({ kind: "status", status: 429 }), "not-applied"],
    ["5xx", failed({ kind: "status", status: 500 }), "unknown"],
    ["nothing in time", failed({ kind: "timeout" }), "unknown"],
    ["nothing", failed({ kind: "unreachable" }), "unknown"],
  ])("%s", (_, given, outcome) => {
    expect(outcomeOf(given as Answer)).toBe(outcome);
  });
});

describe("what is kept is trusted", () => {
  const address = { method: "tools/call", target: "get" };
  const trusted = (answer: (what: string) => object | Promise<object>, of = address) => {
    const { x, names } = setUp({}, answer);
    return { x, names, given: trust(x, of, ["item:7", "x".repeat(600)]) };
  };

  test.each([
    ["where nothing is being written", [], "kept"],
    ["where something else is", ["item:8", "tool:put"], "kept"],
    ["not where a tag of its own is", ["item:8", "item:7"], "written"],
    ["nor one that it has without saying so", ["tool:get"], "written"],
    ["nor all of the origin", ["origin"], "written"],
    ["nor one that is cut", ["x".repeat(512)], "written"],
  ])("%s", async (_, announced, expected) => {
    expect(await trusted(() => ({ announced })).given).toBe(expected);
  });

  test.each([
    ["resource:x://a", "written"],
    ["resource:x://a/", "written"],
    ["resource:x://", "kept"],
    ["resource:x://a/b/c", "kept"],
  ])("of a resource not where one above it is being written: %s", async (tag, expected) => {
    const of = { method: "resources/read", target: "x://a/b" };
    expect(await trusted(() => ({ announced: [tag] }), of).given).toBe(expected);
  });

  test("not by the word of an object of an earlier version, to which no write is announced", async () => {
    expect(await trusted(() => ({ announced: undefined })).given).toBe("blind");
  });

  test("not where the feed cannot be asked, or not in time", async () => {
    expect(await trusted(down).given).toBe("blind");
    const { given } = trusted(() => new Promise(() => {}));
    await vi.advanceTimersByTimeAsync(1_000);
    expect(await given).toBe("blind");
  });

  test("not by the word of a feed that is lost", async () => {
    let answer!: () => void;
    const { x, given } = trusted(() => new Promise((resolve) => (answer = () => resolve({}))));
    const question = x.feed.ask();
    x.feed.hear(question, { ...REPLY, feedId: "another" });
    answer();
    expect(await given).toBe("blind");
  });

  test("and that counts as a pulse, where it succeeds", async () => {
    const { x, given } = trusted(() => ({}));
    await given;
    expect(x.feed.dueAt).toBe(5_000);
    const failed = trusted(down);
    await failed.given;
    expect(failed.x.feed.dueAt).toBe(0);
  });
});
