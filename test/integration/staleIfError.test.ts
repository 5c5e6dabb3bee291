import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { Fixture, type Reply, text, tool } from "./support/fixture.ts";
import { type Replica, seed, startReplica } from "./support/replica.ts";
import { call, codeOf, legacyCall, modern, said } from "./support/wire.ts";

const origin = new Fixture();
let replica: Replica;
const MINUTE = 60_000;
const HOUR = 3_600_000;

beforeAll(async () => {
  await origin.start();
  origin.tools = [tool("kept"), tool("spoken")];
  replica = await startReplica({
    origins: {
      o: {
        url: origin.url,
        timeout: { firstByte: "300ms", total: "600ms" },
        lists: { defaultTtl: "10m" },
        tools: {
          kept: { cache: { ttl: "1m", staleIfError: "1h" } },
          spoken: { cache: { ttl: "1m", staleIfError: "1h", tell: true } },
        },
      },
    },
  });
  await call(replica.mcp, "kept", { first: 1 });
});
beforeEach(() => origin.reset());
afterAll(async () => {
  await replica?.close();
  await origin.stop();
});

const old = (variant: unknown, ageMs = 2 * MINUTE, target = "kept") =>
  seed(replica, { target, variant, ageMs, entry: { ttlMs: MINUTE, staleIfErrorMs: HOUR } });

const FAILURES: [string, Reply | "hang" | "reset"][] = [
  ["resets the connection", "reset"],
  ["never answers", "hang"],
  ["breaks off in the middle of the answer", { ...text("half"), breakOff: true }],
  ["begins an answer and never ends it", { headers: { "content-length": "9999" }, text: "{" }],
  ["answers 500", { status: 500, text: "oops" }],
  ["answers 502 in HTML", { status: 502, text: "<h1>Bad gateway</h1>", headers: { "content-type": "text/html" } }],
  ["answers 503", { status: 503, text: "" }],
  ["answers 500 with a JSON-RPC error", { status: 500, error: { code: -32603, message: "crashed" } }],
  ["answers 429", { status: 429, text: "", headers: { "retry-after": "1" } }],
];

describe.each(FAILURES)("where the origin %s", (what, reply) => {
  test("an old answer stands in, in both eras, and says so", async () => {
    await old({ what });
    origin.on("tools/call", () => reply);
    for (const ask of [call, legacyCall]) {
      const got = await ask(replica.mcp, "kept", { what });
      expect([got.status, got.cache?.status, said(got)]).toEqual([200, "stale", "old"]);
      expect(got.cache!.ageMs).toBeGreaterThanOrEqual(2 * MINUTE);
    }
  });

  test("a call whose answer is too old, or was never stored, ends in an error to act on", async () => {
    await old({ what, expired: 1 }, 2 * HOUR);
    origin.on("tools/call", () => reply);
    for (const args of [
      { what, expired: 1 },
      { what, never: 1 },
    ]) {
      const got = await call(replica.mcp, "kept", args);
      const own = typeof reply === "object" && reply.error;
      if (own) expect([got.status, got.body.error.message]).toEqual([500, "crashed"]);
      else {
        expect([got.status, got.body.result.isError]).toEqual([200, true]);
        expect(codeOf(got)).toMatch(/^origin_(unavailable|timeout|rate_limited|invalid)$/);
        expect(said(got)).toMatch(/\.$/);
      }
      expect(got.cache).toBeUndefined();
    }
  });
});

test("an old answer does not stand in where the tool itself fails", async () => {
  await old({ fails: "tool" });
  origin.on("tools/call", () => text("it failed", { isError: true }));
  const got = await call(replica.mcp, "kept", { fails: "tool" });
  expect([said(got), got.body.result.isError, got.cache]).toEqual(["it failed", true, undefined]);
});

test("an old answer does not stand in where the origin answers with an error of JSON-RPC", async () => {
  await old({ fails: "rpc" });
  origin.on("tools/call", () => ({ error: { code: -32602, message: "gone" } }));
  const got = await call(replica.mcp, "kept", { fails: "rpc" });
  expect([got.body.error.message, got.cache]).toEqual(["gone", undefined]);
  origin.on("tools/call", () => ({ status: 404, error: { code: -32601, message: "gone for good" } }));
  expect((await call(replica.mcp, "kept", { fails: "rpc" })).status).toBe(404);
});

describe("an old answer stands in as well", () => {
  test("for a caller who wants to hear of the progress", async () => {
    await old({ progress: 1 });
    const meta = { progressToken: 1 };
    origin.on("tools/call", () => "reset");
    const got = await call(replica.mcp, "kept", { progress: 1 }, { meta });
    expect([got.cache?.status, said(got)]).toEqual(["stale", "old"]);
    expect(got.headers["cache-status"]).toMatch(/detail=stale-if-error$/);
    origin.on("tools/call", () => ({ status: 503, error: { code: -32603, message: "down" } }));
    expect((await call(replica.mcp, "kept", { progress: 1 }, { meta })).cache?.status).toBe("stale");
  });

  test("right after an answer that could not be kept", async () => {
    await old({ unkept: 1 });
    origin.on("tools/call", () => text("no", { isError: true }));
    expect(said(await call(replica.mcp, "kept", { unkept: 1 }))).toBe("no");
    origin.on("tools/call", () => ({ status: 503, text: "" }));
    expect((await call(replica.mcp, "kept", { unkept: 1 })).cache?.status).toBe("stale");
  });
});

test("the origin is asked first, and its new answer wins", async () => {
  await old({ back: 1 });
  const got = await call(replica.mcp, "kept", { back: 1 });
  expect([got.cache?.status, said(got)]).toEqual(["miss", "kept 1"]);
});

describe("tell", () => {
  test("adds a text block to a stale answer that says how old it is, for models", async () => {
    const body = '"content":[{"type":"text","text":"old"}],"structuredContent":{"a":1}';
    const entry = { ttlMs: MINUTE, staleIfErrorMs: HOUR, body, contentEnd: body.indexOf("]") };
    await seed(replica, { target: "spoken", variant: {}, ageMs: 5 * MINUTE, entry });
    origin.on("tools/call", () => "reset");
    for (const ask of [call, legacyCall]) {
      const { content, structuredContent } = (await ask(replica.mcp, "spoken")).body.result;
      expect([content.length, content[0], structuredContent]).toEqual([2, { type: "text", text: "old" }, { a: 1 }]);
      expect(content[1]).toEqual({ type: "text", text: expect.stringMatching(/5 minutes old/) as string });
    }
  });

  test("says nothing about fresh answers, nor where the operator did not ask for it", async () => {
    await call(replica.mcp, "spoken", { fresh: 1 });
    expect((await call(replica.mcp, "spoken", { fresh: 1 })).body.result.content).toHaveLength(1);
    await old({ silent: 1 });
    origin.on("tools/call", () => "reset");
    expect((await call(replica.mcp, "kept", { silent: 1 })).body.result.content).toHaveLength(1);
  });

  test("fits an answer that is stored by the replica itself, with and without content", async () => {
    for (const content of [[], [{ type: "text", text: "][" }]]) {
      const args = { stored: content.length };
      origin.on("tools/call", () => ({ result: { x: [1], content, y: 2 } }));
      await call(replica.mcp, "spoken", args);
      origin.on("tools/call", () => "reset");
      const asked = { headers: { "cache-control": "no-cache" } };
      const { result } = (await call(replica.mcp, "spoken", args, asked)).body;
      expect(result.content.slice(0, -1)).toEqual(content);
      expect(result.content.at(-1).text).toMatch(/0 seconds old/);
      expect([result.x, result.y]).toEqual([[1], 2]);
    }
  });
});

test("a list answers from what is stored for a day while the origin fails, without any configuration", async () => {
  origin.on("prompts/list", () => ({ result: { prompts: [{ name: "kept" }], ttlMs: 0, cacheScope: "private" } }));
  await modern(replica.mcp, "prompts/list");
  origin.on("prompts/list", () => ({ status: 500, text: "" }));
  const got = await modern(replica.mcp, "prompts/list");
  expect([got.cache?.status, got.body.result.prompts]).toEqual(["stale", [{ name: "kept" }]]);
});
