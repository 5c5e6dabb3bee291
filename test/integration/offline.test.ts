import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { CLIENTS } from "./support/clients.ts";
import { Fixture, type Reply, tool } from "./support/fixture.ts";
import { type Replica, startReplica, stored } from "./support/replica.ts";
import { makeStateful } from "./support/stateful.ts";
import { call, codeOf, initialize, legacy, legacyCall, modern, said, until } from "./support/wire.ts";

let origin: Fixture;
const running: Replica[] = [];

beforeEach(async () => {
  origin = await new Fixture().start();
  origin.tools = [tool("kept"), tool("never")];
});
afterEach(async () => {
  await Promise.all(running.splice(0).map((replica) => replica.close()));
  await origin.stop();
});

const KEPT = { kept: { cache: { ttl: "1s", staleIfError: "7d" } } } as const;

async function start(tools: object = KEPT, options: Parameters<typeof startReplica>[1] = {}): Promise<Replica> {
  const replica = await startReplica({ origins: { o: { url: origin.url, tools: tools as never } } }, options);
  running.push(replica);
  return replica;
}

/** Waits until the ways of opening a connection are stored. */
async function learnt(replica: Replica, ...methods: string[]): Promise<void> {
  for (const method of methods)
    await until(
      () => stored(replica, method),
      (names) => names.length > 0,
    );
}

const BOTH = ["server/discover", "initialize"];

describe.each([
  // An origin that only modern callers met is not asked to initialize: its discover answer says as much.
  ["a modern one", modern, ["server/discover"]],
  ["a legacy one", legacy, BOTH],
])("with the origin dead, after %s was the only caller ever", (_, first, opened) => {
  test("every kind of client connects, lists and calls what is cached", async () => {
    const replica = await start(KEPT, { instances: 2 });
    await first(replica.mcp, "tools/call", { name: "kept", arguments: { q: 1 } });
    await first(replica.mcp, "tools/list");
    await first(replica.mcp, "prompts/list");
    await learnt(replica, ...opened, "tools/call", "tools/list", "prompts/list");
    expect(origin.count("initialize") > 0).toBe(opened.includes("initialize"));
    await origin.stop();
    for (const url of replica.urls) {
      for (const [name, connect] of CLIENTS) {
        const client = await connect(`${url}/mcp`);
        expect((await client.listTools()).tools.map((one) => one.name)).toEqual(["kept", "never"]);
        expect((await client.listPrompts()).prompts).toEqual([{ name: "p" }]);
        const { content } = await client.callTool({ name: "kept", arguments: { q: 1 } });
        expect([name, content]).toEqual([name, [{ type: "text", text: "kept 1" }]]);
        const never = await client.callTool({ name: "never", arguments: {} });
        expect([name, never["isError"]]).toEqual([name, true]);
        await client.close();
      }
    }
  });
});

test("all that is answered without the origin is marked stale, promises nothing, and has status 200", async () => {
  const replica = await start();
  await call(replica.mcp, "kept");
  await modern(replica.mcp, "tools/list");
  await learnt(replica, "server/discover");
  await origin.stop();
  await until(
    () => call(replica.mcp, "kept"),
    ({ cache }) => cache?.status === "stale",
  );
  for (const got of [
    await modern(replica.mcp, "server/discover"),
    await initialize(replica.mcp),
    await initialize(replica.mcp, "2025-03-26"),
    await initialize(replica.mcp, "1999-01-01"),
    await modern(replica.mcp, "tools/list"),
    await legacy(replica.mcp, "tools/list"),
    await legacyCall(replica.mcp, "kept"),
  ]) {
    expect([got.status, got.cache?.status]).toEqual([200, "stale"]);
    expect(got.headers["cache-status"]).toMatch(/detail=stale-if-error$/);
    expect(got.body.result.ttlMs ?? 0).toBe(0);
  }
});

test("a configuration of nothing but the URL is enough to connect and to list", async () => {
  const replica = await start({});
  await legacy(replica.mcp, "tools/list");
  await learnt(replica, ...BOTH, "tools/list");
  await origin.stop();
  for (const [, connect] of CLIENTS) {
    const client = await connect(replica.mcp);
    expect((await client.listTools()).tools).toHaveLength(2);
    expect((await client.callTool({ name: "kept", arguments: {} }))["isError"]).toBe(true);
    await client.close();
  }
});

test("what is stored outlasts the process", async () => {
  const state = await mkdtemp(path.join(tmpdir(), "replica-state-"));
  try {
    const before = await start(KEPT, { state });
    await call(before.mcp, "kept");
    await modern(before.mcp, "tools/list");
    await learnt(before, "server/discover", "tools/call", "tools/list");
    await running.pop()!.close();
    await origin.stop();
    const after = await start(KEPT, { state });
    for (const [, connect] of CLIENTS) {
      const client = await connect(after.mcp);
      expect((await client.listTools()).tools).toHaveLength(2);
      expect((await client.callTool({ name: "kept", arguments: {} }))["content"]).toEqual([
        { type: "text", text: "kept 1" },
      ]);
      await client.close();
    }
  } finally {
    await Promise.all(running.splice(0).map((replica) => replica.close()));
    await rm(state, { recursive: true });
  }
});

describe("an origin of one era", () => {
  test("that is modern lets legacy callers in while it is down, from its discover answer", async () => {
    origin.eras = "modern";
    const replica = await start();
    await call(replica.mcp, "kept");
    await learnt(replica, "server/discover");
    await origin.stop();
    const got = await initialize(replica.mcp, "2025-06-18");
    expect([got.status, got.cache?.status]).toEqual([200, "stale"]);
    expect(got.body.result).toMatchObject({ protocolVersion: "2025-06-18", capabilities: { tools: {} } });
    expect(got.body.result).not.toHaveProperty("resultType");
    expect(said(await legacyCall(replica.mcp, "kept"))).toBe("kept 1");
  });

  test("that was never seen to lack the modern one lets modern callers in, from its answer to initialize", async () => {
    const replica = await start(KEPT, { instances: 2 });
    await legacyCall(replica.mcp, "kept");
    await learnt(replica, ...BOTH);
    await origin.stop();
    for (const name of await stored(replica, "server/discover")) await replica.store.delete(name);
    const got = await modern(`${replica.urls[1]}/mcp`, "server/discover");
    expect([got.status, got.cache?.status]).toEqual([200, "stale"]);
    expect(got.body.result).toMatchObject({
      resultType: "complete",
      supportedVersions: ["2026-07-28"],
      capabilities: { tools: {} },
      instructions: "Ask.",
      ttlMs: 0,
      _meta: { "io.modelcontextprotocol/serverInfo": { name: "fixture" } },
    });
  });

  test("that is legacy, and opens sessions, does not become modern by an outage", async () => {
    makeStateful(origin);
    const replica = await start();
    const dual = CLIENTS.filter(([name]) => name !== "sdk 2 pinned");
    const before = await dual[0]![1](replica.mcp);
    await before.listTools();
    expect((await modern(replica.mcp, "server/discover")).status).toBe(404);
    await learnt(replica, "initialize", "tools/list");
    await origin.stop();
    const got = await modern(replica.mcp, "server/discover");
    expect([got.status, got.body.error.code]).toEqual([404, -32601]);
    for (const [name, connect] of dual) {
      const client = await connect(replica.mcp);
      expect([name, (await client.listTools()).tools.map((one) => one.name)]).toEqual([name, ["kept", "never"]]);
      await client.close();
    }
  });

  const NO_STORE = { "edge-replica/cache-control": "no-store" };
  test.each<[string, Reply]>([
    ["may not be kept", { result: { supportedVersions: ["2026-07-28"], capabilities: {}, ttlMs: 0, _meta: NO_STORE } }],
    ["was an error of its own", { error: { code: -32603, message: "Internal error" } }],
  ])("is not taken for a legacy one because its discover answer %s", async (_, reply) => {
    origin.on("server/discover", () => reply);
    const replica = await start();
    await legacyCall(replica.mcp, "kept");
    await learnt(replica, "initialize");
    await expect.poll(() => origin.count("server/discover")).toBe(1);
    await origin.stop();
    const got = await modern(replica.mcp, "server/discover");
    expect([got.status, got.cache?.status]).toEqual([200, "stale"]);
  });
});

test("an answer to initialize that settles nothing is passed on, and not kept", async () => {
  origin.on("initialize", () => ({ result: { resultType: "complete", ttlMs: 0 } }));
  const replica = await start();
  expect((await initialize(replica.mcp)).body.result).toEqual({ resultType: "complete", ttlMs: 0 });
  await legacyCall(replica.mcp, "kept");
  await learnt(replica, "server/discover", "tools/call");
  expect(await stored(replica, "initialize")).toEqual([]);
});

test("with nothing stored, each call ends in an error to act on, with status 200", async () => {
  await origin.stop();
  const replica = await start();
  const asks = [
    modern(replica.mcp, "server/discover"),
    initialize(replica.mcp),
    modern(replica.mcp, "tools/list"),
    legacy(replica.mcp, "resources/list"),
    modern(replica.mcp, "resources/read", { uri: "x://1" }),
    legacy(replica.mcp, "acme/unknown"),
  ];
  for (const got of await Promise.all(asks)) {
    expect([got.status, got.body.error.data.code, got.body.id]).toEqual([200, "origin_unavailable", 1]);
    expect(got.body.error.data).toMatchObject({ retryAfterMs: expect.any(Number), correlationId: expect.any(String) });
    expect(got.body.error.message).toMatch(/\.$/);
  }
  for (const got of [await call(replica.mcp, "kept"), await legacyCall(replica.mcp, "never")]) {
    expect([got.status, got.body.result.isError, codeOf(got)]).toEqual([200, true, "origin_unavailable"]);
  }
  expect((await legacy(replica.mcp, "ping")).body.result).toEqual({});
});

test("when the origin is back, answers are fresh again", async () => {
  const replica = await start();
  await call(replica.mcp, "kept");
  await origin.stop();
  await until(
    () => call(replica.mcp, "kept"),
    ({ cache }) => cache?.status === "stale",
  );
  await origin.start();
  const back = await until(
    () => call(replica.mcp, "kept"),
    ({ cache }) => cache?.status === "miss",
  );
  expect(said(back)).toBe("kept 2");
  expect((await call(replica.mcp, "never")).cache).toBeUndefined();
});

describe("an origin that opens sessions", () => {
  beforeEach(() => {
    origin.eras = "legacy";
    origin.on("initialize", ({ nth, params }) => ({
      headers: { "mcp-session-id": `session-${nth}` },
      result: {
        protocolVersion: params.protocolVersion,
        capabilities: { tools: {} },
        serverInfo: { name: "stateful", version: "1" },
      },
    }));
    origin.on("DELETE", () => ({ text: "" }));
  });

  test("gives each caller one of its own, however many come at once", async () => {
    const replica = await start();
    const opened = await Promise.all(Array.from({ length: 20 }, () => initialize(replica.mcp)));
    expect(new Set(opened.map(({ headers }) => headers["mcp-session-id"])).size).toBe(20);
    for (const got of opened) expect(got.cache).toBeUndefined();
  });

  test("has the session ended that was opened only to see its answer", async () => {
    const replica = await start({});
    await legacyCall(replica.mcp, "never");
    await until(
      () => origin.count("DELETE"),
      (count) => count > 0,
    );
    expect(origin.last("DELETE").headers["mcp-session-id"]).toBe("session-1");
  });

  test("is stood in for while it is down, with a session that lasts until it is back", async () => {
    const replica = await start();
    const opened = await initialize(replica.mcp);
    const before = { "mcp-session-id": opened.headers["mcp-session-id"]! };
    await legacy(replica.mcp, "tools/list", {}, { headers: before });
    await learnt(replica, "initialize", "tools/list");
    await origin.stop();
    const got = await initialize(replica.mcp);
    expect([got.status, got.cache?.status]).toEqual([200, "stale"]);
    const headers = { "mcp-session-id": got.headers["mcp-session-id"]! };
    const down = await legacyCall(replica.mcp, "never", {}, { headers });
    expect([down.status, codeOf(down)]).toEqual([200, "origin_unavailable"]);
    expect(got.body.result.serverInfo.name).toBe("stateful");
    expect(got.text).not.toContain("session-");
    // What another session of this caller was shown is better than nothing.
    const listed = await legacy(replica.mcp, "tools/list", {}, { headers });
    expect([listed.cache?.status, listed.body.result.tools.length]).toEqual(["stale", 2]);
    // An origin that opens sessions answers nobody who has none.
    origin.on("tools/call", () => ({ status: 400, error: { code: -32000, message: "Session ID required" }, id: null }));
    await origin.start();
    const back = await legacyCall(replica.mcp, "never", {}, { headers });
    expect([back.status, codeOf(back)]).toEqual([404, "session_not_found"]);
  });
});
