import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { Fixture, text, tool } from "./support/fixture.ts";
import { type Replica, seed, startReplica, stored } from "./support/replica.ts";
import { call, legacy, legacyCall, modern, said, until } from "./support/wire.ts";

const origin = new Fixture();
let replica: Replica;

beforeAll(async () => {
  await origin.start();
  replica = await startReplica(
    {
      origins: {
        o: {
          url: origin.url,
          tools: {
            cached: { cache: { ttl: "5m" } },
            kept: { cache: { ttl: "5m", staleWhileRevalidate: "1h", staleIfError: "1h" } },
            plain: {},
          },
        },
      },
    },
    { instances: 2 },
  );
});
beforeEach(() => {
  origin.reset();
  origin.tools = [tool("cached"), tool("kept"), tool("plain")];
});
afterAll(async () => {
  await replica?.close();
  await origin.stop();
});

const other = () => `${replica.urls[1]}/mcp`;

describe.each([
  ["JSON", false],
  ["an event stream", true],
])("an origin that answers with %s", (form, sse) => {
  beforeEach(() => {
    origin.sse = sse;
  });

  test("fills the cache and is not asked again", async () => {
    const [first, then] = [
      await call(replica.mcp, "cached", { form }),
      await legacyCall(replica.mcp, "cached", { form }),
    ];
    expect([first.cache?.status, then.cache?.status]).toEqual(["miss", "hit"]);
    expect([said(first), said(then)]).toEqual(["cached 1", "cached 1"]);
    expect(first.headers["content-type"]).toBe("application/json");
    expect(origin.count("tools/call")).toBe(1);
  });

  test("is relayed in its own form where nothing may be cached", async () => {
    const got = await call(replica.mcp, "plain");
    expect([said(got), got.cache]).toEqual(["plain 1", undefined]);
    expect(got.headers["content-type"]).toBe(sse ? "text/event-stream" : "application/json");
    expect(said(await legacyCall(replica.mcp, "plain"))).toBe("plain 2");
  });

  test("has its JSON-RPC errors passed on, and they are not kept", async () => {
    origin.on("tools/call cached", () => ({ error: { code: -32602, message: "no such thing", data: { why: [1] } } }));
    for (let nth = 1; nth <= 2; nth++) {
      const got = await call(replica.mcp, "cached", { wrong: form }, { id: "seven" });
      expect(got.body).toEqual({
        jsonrpc: "2.0",
        id: "seven",
        error: { code: -32602, message: "no such thing", data: { why: [1] } },
      });
      expect(got.cache).toBeUndefined();
    }
    expect(origin.count("tools/call", "cached")).toBe(2);
  });
});

test("notifications before the answer in a stream do not hide the answer", async () => {
  origin.on("tools/call cached", () => ({
    ...text("after notes"),
    sse: [
      { method: "notifications/message", params: { level: "info", data: "hm" } },
      { id: 1, method: "roots/list" },
    ],
  }));
  expect(said(await call(replica.mcp, "cached", { notes: 1 }))).toBe("after notes");
  expect((await call(replica.mcp, "cached", { notes: 1 })).cache?.status).toBe("hit");
});

test("the body reaches callers as the origin wrote it", async () => {
  const body =
    '"content":[{"type":"text","text":"\\u00e9\\/"}],"structuredContent":{"n":1.0,"big":12345678901234567890}';
  origin.on("tools/call cached", ({ id }) => ({
    text: `{"id":${id},"jsonrpc":"2.0","result":{"resultType":"complete",${body}, "x-more" : [ ]}}`,
  }));
  expect((await call(replica.mcp, "cached", { form: "raw" })).text).toContain(body);
  expect((await legacyCall(replica.mcp, "cached", { form: "raw" })).text).toContain(`${body},"x-more" : [ ]`);
});

describe("the Cache-Status header", () => {
  const statusOf = (got: { headers: Record<string, string | undefined> }) => got.headers["cache-status"];

  test("tells a miss that was stored, a hit from memory and a hit from KV", async () => {
    const args = { status: "hit" };
    expect(statusOf(await call(replica.mcp, "cached", args))).toBe(
      "edge-replica; fwd=uri-miss; fwd-status=200; stored",
    );
    expect(statusOf(await call(replica.mcp, "cached", args))).toMatch(/^edge-replica; hit; ttl=\d+; detail=memory$/);
    await seed(replica, { target: "cached", variant: { in: "kv" }, ageMs: 0 });
    expect(statusOf(await call(other(), "cached", { in: "kv" }))).toMatch(/^edge-replica; hit; ttl=3\d{3}; detail=kv$/);
  });

  test("tells a stale answer by its negative ttl", async () => {
    await seed(replica, {
      target: "kept",
      variant: { of: "old" },
      ageMs: 70_000,
      entry: { ttlMs: 60_000, staleWhileRevalidateMs: 3_600_000 },
    });
    expect(statusOf(await call(replica.mcp, "kept", { of: "old" }))).toMatch(
      /^edge-replica; hit; ttl=-1\d; detail=kv$/,
    );
  });

  test("tells an answer that stands in for a failing origin", async () => {
    origin.on("tools/call", () => ({ status: 503, text: "down" }));
    await seed(replica, {
      target: "kept",
      variant: { of: "error" },
      ageMs: 70_000,
      entry: { ttlMs: 60_000, staleIfErrorMs: 3_600_000 },
    });
    const got = await call(replica.mcp, "kept", { of: "error" });
    expect(statusOf(got)).toMatch(/^edge-replica; fwd=stale; fwd-status=503; ttl=-1\d; detail=stale-if-error$/);
    expect(got.cache?.status).toBe("stale");
  });

  test("tells a bypass, in both eras", async () => {
    for (const ask of [call, legacyCall]) {
      expect(statusOf(await ask(replica.mcp, "plain"))).toBe("edge-replica; fwd=bypass; fwd-status=200");
    }
  });

  test("tells an answer that was not stored, and one that was asked for again", async () => {
    origin.on("tools/call cached", () => text("sorry", { isError: true }));
    expect(statusOf(await call(replica.mcp, "cached", { status: "error" }))).toBe(
      "edge-replica; fwd=uri-miss; fwd-status=200",
    );
    origin.reset();
    const headers = { "cache-control": "no-cache" };
    const again = await call(replica.mcp, "cached", { status: "hit" }, { headers });
    expect(statusOf(again)).toBe("edge-replica; fwd=request; fwd-status=200; stored");
  });

  test("never holds the key, an argument or whose answer it is", async () => {
    for (const got of [
      await call(replica.mcp, "cached", { secret: "s3cret" }),
      await call(replica.mcp, "cached", { secret: "s3cret" }),
    ]) {
      expect(statusOf(got)).not.toMatch(/key=|s3cret|anonymous|[0-9a-f]{16}/);
    }
  });
});

test("an answer stored by one instance is a hit for another", async () => {
  await call(replica.mcp, "cached", { place: 1 });
  const before = (await stored(replica, "tools/call")).length;
  expect(before).toBeGreaterThan(0);
  const got = await until(
    () => call(other(), "cached", { place: 1 }),
    ({ cache }) => cache?.status === "hit",
  );
  expect(said(got)).toBe("cached 1");
  expect(origin.count("tools/call")).toBe(1);
});

test("a replica behind a replica promises no more than the origin did", async () => {
  const hints = { ttlMs: 60_000, cacheScope: "public" };
  origin.on("resources/read", ({ isModern }) => ({ result: { contents: [], ...(isModern && hints) } }));
  const behind = await startReplica({ origins: { o: { url: replica.mcp } } });
  try {
    const uri = "x://chain";
    const first = await modern(replica.mcp, "resources/read", { uri });
    const { storedAt } = first.cache!;
    for (const status of ["miss", "hit", "hit"]) {
      const got = await modern(behind.mcp, "resources/read", { uri });
      expect(got.cache?.status).toBe(status);
      expect(got.body.result.ttlMs).toBeLessThanOrEqual(first.body.result.ttlMs - (got.cache!.storedAt - storedAt));
    }
    expect(origin.count("resources/read")).toBe(1);
    await call(replica.mcp, "cached", { chain: 1 });
    const got = await call(behind.mcp, "cached", { chain: 1 });
    expect(said(got)).toBe("cached 1");
  } finally {
    await behind.close();
  }
});

test("an answer too large to be held is streamed past, whole", async () => {
  const large = "x".repeat(17 * 1_048_576);
  origin.on("tools/call cached", () => text(large));
  const got = await call(replica.mcp, "cached", { large: 1 });
  expect([got.status, said(got).length, got.cache]).toEqual([200, large.length, undefined]);
});

test("arguments in another order or spelling are the same call, absent and empty ones are not", async () => {
  const filled = await call(replica.mcp, "cached", { a: 1, b: [0.5, "é"], c: { x: null, y: true } });
  const again = await call(replica.mcp, "cached", { c: { y: true, x: null }, b: [0.5, "é"], a: 1 });
  expect([again.cache?.status, said(again)]).toEqual(["hit", said(filled)]);
  await call(replica.mcp, "cached", {});
  expect((await modern(replica.mcp, "tools/call", { name: "cached" })).cache?.status).toBe("miss");
});

test("a list asked for with an empty cursor is not the list asked for without one", async () => {
  origin.on("prompts/list", ({ params, isModern }) => ({
    result: {
      prompts: [{ name: params?.cursor === undefined ? "first" : "empty" }],
      ...(isModern && { ttlMs: 60_000, cacheScope: "public" }),
    },
  }));
  const names = async (params: Record<string, unknown>) =>
    (await modern(replica.mcp, "prompts/list", params)).body.result.prompts[0].name;
  expect([await names({}), await names({ cursor: "" }), await names({})]).toEqual(["first", "empty", "first"]);
  expect((await legacy(replica.mcp, "prompts/list")).body.result.prompts).toEqual([{ name: "first" }]);
});

test("callers that declare other capabilities have answers of their own", async () => {
  await call(replica.mcp, "cached", { class: 1 });
  const got = await call(replica.mcp, "cached", { class: 1 }, { capabilities: { elicitation: {} } });
  expect([got.cache?.status, said(got)]).toEqual(["miss", "cached 2"]);
  const again = await call(replica.mcp, "cached", { class: 1 }, { capabilities: { elicitation: {} } });
  expect(again.cache?.status).toBe("hit");
});

test("a result that only one era can be told is not told to the other", async () => {
  origin.on("tools/call cached", ({ isModern }) =>
    text("list", { structuredContent: isModern ? [1, 2] : { result: [1, 2] } }),
  );
  await call(replica.mcp, "cached", { odd: 1 });
  const inLegacy = await legacyCall(replica.mcp, "cached", { odd: 1 });
  expect(inLegacy.body.result.structuredContent).toEqual({ result: [1, 2] });
  const inModern = await call(replica.mcp, "cached", { odd: 1 });
  expect(inModern.body.result.structuredContent).toEqual([1, 2]);
});
