import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { digest } from "../../src/cache/key.ts";
import { resolve } from "../../src/config/resolve.ts";
import { connectModern } from "../origin/clients.ts";
import { CLIENTS } from "./support/clients.ts";
import { Fixture, text, tool } from "./support/fixture.ts";
import { type Replica, startReplica } from "./support/replica.ts";
import { startSdkFirstOrigin } from "./support/sdkFirstOrigin.ts";
import { makeStateful } from "./support/stateful.ts";
import { call, codeOf, legacy, legacyCall, modern, modernBody, modernHeaders, send, until } from "./support/wire.ts";

const cache = { ttl: "5m", staleIfError: "1d" } as const;
const SERVER_INFO = "io.modelcontextprotocol/serverInfo";

describe("an origin of the earlier revisions, without sessions, and modern callers", () => {
  const origin = new Fixture();
  let replica: Replica;
  const setUp = () => {
    origin.reset();
    origin.eras = "legacy";
    origin.tools = [tool("kept", { execution: { taskSupport: "forbidden" } }), tool("other")];
  };
  beforeAll(async () => {
    await origin.start();
    setUp();
    replica = await startReplica({ origins: { o: { url: origin.url, tools: { kept: { cache } } } } });
  });
  afterAll(async () => {
    await replica?.close();
    await origin.stop();
  });

  test("the origin is told as a modern one, with what can be delivered", async () => {
    const got = await modern(replica.mcp, "server/discover");
    expect(got.status).toBe(200);
    expect(got.body.result).toMatchObject({
      resultType: "complete",
      supportedVersions: ["2026-07-28"],
      capabilities: { tools: {}, resources: {}, prompts: {}, completions: {} },
      instructions: "Ask.",
      ttlMs: 0,
      cacheScope: "private",
      _meta: { [SERVER_INFO]: { name: "fixture" } },
    });
  });

  test("the pinned client connects, lists, calls, reads and gets", async () => {
    const client = (await connectModern(replica.mcp)) as any;
    expect(client.getServerVersion()).toMatchObject({ name: "fixture" });
    expect((await client.listTools()).tools.map(({ name }: any) => name)).toEqual(["kept", "other"]);
    expect((await client.callTool({ name: "other", arguments: {} })).content[0].text).toMatch(/^other/);
    for (const _ of [1, 2]) {
      expect((await client.callTool({ name: "kept", arguments: { q: "sdk" } })).content[0].text).toBe("kept 1");
    }
    expect((await client.readResource({ uri: "x://1" })).contents[0].text).toMatch(/^x:\/\/1/);
    expect((await client.getPrompt({ name: "p", arguments: {} })).messages).toHaveLength(1);
    await client.close();
  });

  test("an entry that one era filled is a hit for the other", async () => {
    expect((await call(replica.mcp, "kept", { q: 1 })).cache?.status).toBe("miss");
    expect((await legacyCall(replica.mcp, "kept", { q: 1 })).cache?.status).toBe("hit");
    expect((await legacyCall(replica.mcp, "kept", { q: 2 })).cache?.status).toBe("miss");
    const got = await call(replica.mcp, "kept", { q: 2 });
    expect([got.cache?.status, got.body.result.resultType]).toEqual(["hit", "complete"]);
  });

  test.each(["kept", "other"])(
    "structured content that may be wrapped is told as it is, and kept: %s",
    async (name) => {
      origin.on(`tools/call ${name}`, () => ({ result: { content: [], structuredContent: { result: [1] } } }));
      for (const status of ["miss", "hit"]) {
        const got = await call(replica.mcp, name, { q: "wrapped" });
        expect(got.body.result).toMatchObject({ structuredContent: { result: [1] }, resultType: "complete" });
        if (name === "kept") expect(got.cache?.status).toBe(status);
      }
      const got = await legacyCall(replica.mcp, name, { q: "wrapped" });
      expect([got.body.result.structuredContent, got.cache?.status]).toEqual([
        { result: [1] },
        name === "kept" ? "hit" : undefined,
      ]);
      setUp();
    },
  );

  test("what a caller declares makes no difference, for nothing is declared to the origin", async () => {
    await legacyCall(replica.mcp, "kept", { q: "declared" });
    const got = await call(replica.mcp, "kept", { q: "declared" }, { capabilities: { elicitation: {} } });
    expect(got.cache?.status).toBe("hit");
  });

  test("a hit tells modern callers what the server is, and legacy ones what they knew before", async () => {
    await legacyCall(replica.mcp, "kept", { q: "info" });
    const [told, before] = [
      await call(replica.mcp, "kept", { q: "info" }),
      await legacyCall(replica.mcp, "kept", { q: "info" }),
    ];
    expect([told.cache?.status, before.cache?.status]).toEqual(["hit", "hit"]);
    expect(told.body.result._meta[SERVER_INFO]).toMatchObject({ name: "fixture" });
    expect(before.body.result._meta).not.toHaveProperty(SERVER_INFO);
  });

  test("the tools are listed as modern ones, with hints", async () => {
    const { result } = (await modern(replica.mcp, "tools/list")).body;
    expect(result.tools).toEqual([tool("kept"), tool("other")]);
    expect(result).toMatchObject({ resultType: "complete", ttlMs: 0, cacheScope: "private" });
  });

  test("an answer too large to be kept is told in full", async () => {
    const words = "x".repeat(2_500_000);
    origin.on("tools/call other", () => text(words));
    const { result } = (await call(replica.mcp, "other")).body;
    expect([result.resultType, result.content[0].text.length]).toEqual(["complete", words.length]);
    setUp();
  });

  test("a stream that could be taken up again in the earlier revisions ends in an error", async () => {
    origin.on("tools/call other", () => ({
      stream: (response) => {
        response.end("id: 1\ndata:\n\n");
      },
    }));
    const got = await call(replica.mcp, "other", {}, { meta: { progressToken: 7 } });
    expect(codeOf(got)).toBe("origin_unavailable");
    setUp();
  });

  test("the origin gets a legacy request: no envelope, no mirrored headers, the rest as it was", async () => {
    await call(replica.mcp, "other", { n: 1 }, { id: "a", meta: { "acme/x": 1, progressToken: 7 } });
    const { headers, params, id } = origin.last("tools/call", "other");
    expect(id).toBe("a");
    expect(params).toEqual({ name: "other", arguments: { n: 1 }, _meta: { "acme/x": 1, progressToken: 7 } });
    expect(headers["mcp-protocol-version"]).toBe("2025-11-25");
    expect(headers["mcp-method"]).toBeUndefined();
    expect(headers["mcp-name"]).toBeUndefined();
  });

  test("progress is streamed, logs only to who asked for them, and the answer is told in full", async () => {
    origin.on("tools/call other", () => ({
      ...text("done"),
      sse: [
        { method: "notifications/progress", params: { progressToken: 7, progress: 1 } },
        { method: "notifications/message", params: { level: "info", data: "log" } },
      ],
    }));
    const quiet = await call(replica.mcp, "other", {}, { meta: { progressToken: 7 } });
    expect(quiet.text).toContain("notifications/progress");
    expect(quiet.text).not.toContain("notifications/message");
    expect(quiet.body.result).toMatchObject({ resultType: "complete", _meta: { [SERVER_INFO]: { name: "fixture" } } });
    const meta = { progressToken: 7, "io.modelcontextprotocol/logLevel": "debug" };
    expect((await call(replica.mcp, "other", {}, { meta })).text).toContain("notifications/message");
    setUp();
  });

  test("what the origin asks back in the middle of a call is told plainly", async () => {
    origin.on("tools/call other", () => ({
      ...text("never"),
      sse: [{ id: 9, method: "elicitation/create", params: { message: "Which?" } }],
    }));
    const got = await call(replica.mcp, "other", {}, { id: "mine", meta: { progressToken: 7 } });
    expect(got.text).not.toContain("elicitation/create");
    const first = JSON.parse(got.text.match(/^data: (.*)$/m)![1]!);
    expect([first.id, first.result._meta["edge-replica/error"].code]).toEqual(["mine", "needs_session"]);
    expect(got.text.match(/^data: \{/gm)).toHaveLength(1);
    setUp();
  });

  test("of the log, callers get what is of their level", async () => {
    const log = (level: string) => ({ method: "notifications/message", params: { level, data: level } });
    origin.on("tools/call other", () => ({ ...text("done"), sse: ["debug", "warning", "error"].map(log) }));
    const meta = { progressToken: 7, "io.modelcontextprotocol/logLevel": "warning" };
    const got = await call(replica.mcp, "other", {}, { meta });
    expect(got.text.match(/"level":"\w+"/g)).toEqual(['"level":"warning"', '"level":"error"']);
    setUp();
  });

  test("a resource that is not there has its modern code", async () => {
    origin.on("resources/read", () => ({ error: { code: -32002, message: "Resource not found", data: { uri: "x" } } }));
    const got = await modern(replica.mcp, "resources/read", { uri: "x://gone" });
    expect([got.status, got.body.error.code]).toEqual([200, -32602]);
    setUp();
  });

  test.each(["ping", "logging/setLevel", "resources/subscribe", "initialize", "tasks/get", "acme/unknown"])(
    "%s is not found, as a modern server says it",
    async (method) => {
      const got = await modern(replica.mcp, method, { uri: "x", taskId: "1" }, { id: 3 });
      expect([got.status, got.body.error.code, got.body.id]).toEqual([404, -32601, 3]);
      expect(origin.count("initialize", undefined)).toBeLessThan(2);
    },
  );

  test.each<[string, number, Record<string, string | null>]>([
    ["the method missing", -32020, { "mcp-method": null }],
    ["another method", -32020, { "mcp-method": "tools/list" }],
    ["another name", -32020, { "mcp-name": "kept" }],
    ["another version", -32020, { "mcp-protocol-version": "2025-11-25" }],
  ])("headers with %s are refused, though the origin would not mind", async (_, code, headers) => {
    const params = { name: "other", arguments: {} };
    const before = origin.count("tools/call");
    const got = await send(replica.mcp, {
      headers: { ...modernHeaders("tools/call", params), ...headers },
      body: modernBody("tools/call", params),
    });
    expect([got.status, got.body.error.code]).toEqual([400, code]);
    expect(origin.count("tools/call")).toBe(before);
  });

  test("an unknown version is refused with those that discover names", async () => {
    const body = modernBody("tools/list").replaceAll("2026-07-28", "2099-01-01");
    const headers = { ...modernHeaders("tools/list"), "mcp-protocol-version": "2099-01-01" };
    const got = await send(replica.mcp, { headers, body });
    expect([got.status, got.body.error.code, got.body.error.data.supported]).toEqual([400, -32022, ["2026-07-28"]]);
  });

  test("legacy callers are not translated", async () => {
    const got = await legacy(replica.mcp, "tools/list");
    expect(got.body.result).not.toHaveProperty("resultType");
    expect(got.body.result.tools[0].execution).toEqual({ taskSupport: "forbidden" });
    expect((await legacy(replica.mcp, "ping")).body.result).toEqual({});
  });

  test("an outage changes nothing of it", async () => {
    await modern(replica.mcp, "tools/list");
    await call(replica.mcp, "kept", { q: "offline" });
    await origin.stop();
    for (const [name, connect] of CLIENTS) {
      const client = (await connect(replica.mcp)) as any;
      expect([name, (await client.listTools()).tools.length]).toEqual([name, 2]);
      expect((await client.callTool({ name: "kept", arguments: { q: "offline" } })).content[0].text).toMatch(/^kept/);
      await client.close();
    }
    const got = await call(replica.mcp, "other");
    expect([got.status, codeOf(got)]).toEqual([200, "origin_unavailable"]);
    await origin.start();
  });
});

describe("an origin that nobody has met before", () => {
  let origin: Fixture;
  let replica: Replica;
  const asked = (what: string) => origin.seen.filter(({ method, isModern }) => method === what && !isModern).length;
  beforeEach(async () => {
    origin = await new Fixture().start();
    origin.eras = "legacy";
    origin.tools = [tool("kept"), tool("other")];
    replica = await startReplica({ origins: { o: { url: origin.url, tools: { kept: { cache } } } } }, { instances: 2 });
  });
  afterEach(async () => {
    await replica?.close();
    await origin.stop();
  });

  test.each(["kept", "other"])("is asked again in its own era after it refused a first call of %s", async (name) => {
    const got = await call(replica.mcp, name, { q: 1 });
    expect([got.status, got.body.result?.resultType, asked("tools/call")]).toEqual([200, "complete", 1]);
  });

  test.each([
    ["not found, with status 200", { error: { code: -32601, message: "Method not found" } }],
    ["a bad request", { status: 400, error: { code: -32600, message: "Unsupported protocol version" } }],
  ])("is taken for a legacy one where server/discover is %s", async (_, refusal) => {
    origin.on("server/discover", () => refusal);
    const got = await modern(replica.mcp, "server/discover");
    expect([got.status, got.body.result?.resultType, got.cache?.status]).toEqual([200, "complete", "miss"]);
    expect([origin.count("server/discover"), origin.count("initialize")]).toEqual([1, 1]);
  });

  test("is known to other isolates as well", async () => {
    await modern(replica.mcp, "server/discover");
    await until(
      () => replica.store.list({ prefix: "era/" }),
      ({ keys }) => keys.length > 0,
    );
    const got = await call(`${replica.urls[1]}/mcp`, "other");
    expect([got.status, got.body.result.resultType]).toEqual([200, "complete"]);
    expect([origin.count("server/discover"), origin.count("tools/call")]).toEqual([1, 1]);
  });

  test("is asked now and then whether it has learnt the modern revision, in that revision", async () => {
    const { identity } = resolve(replica.config).origins.get("o")!.settings;
    const at = Date.now() - 2 * 3_600_000;
    const known = { modern: false, legacy: "stateless", version: "2025-11-25", at };
    await replica.store.put(`era/o/${await digest(identity)}`, JSON.stringify(known));
    origin.eras = "both";
    await call(replica.mcp, "other");
    expect(origin.last("tools/call").isModern).toBe(false);
    await until(
      async () => (await call(replica.mcp, "other")) && origin.last("tools/call").isModern,
      (isModern) => isModern,
    );
    expect(origin.last("server/discover").isModern).toBe(true);
  });

  test("is not taken for anything while it is down", async () => {
    await origin.stop();
    const got = await modern(replica.mcp, "server/discover");
    expect([got.status, codeOf(got)]).toEqual([200, "origin_unavailable"]);
    await origin.start();
    const back = await until(
      () => modern(replica.mcp, "server/discover"),
      ({ body }) => body.result !== undefined,
    );
    expect(back.status).toBe(200);
  });
});

describe.each(CLIENTS)("a server of the first SDK without sessions, and %s", (name, connect) => {
  let origin: Awaited<ReturnType<typeof startSdkFirstOrigin>>;
  let replica: Replica;
  let client: any;
  beforeAll(async () => {
    origin = await startSdkFirstOrigin();
    const tools = { plain: { cache: { ttl: "5m", scope: "public" } } } as const;
    replica = await startReplica({ origins: { o: { url: origin.url, tools } } });
    client = await connect(replica.mcp);
  });
  afterAll(async () => {
    await client?.close();
    await replica?.close();
    await origin?.close();
  });

  test("meet in the revision that the client knows", () => {
    expect(client.getServerVersion()).toMatchObject({ name: "first" });
    const capabilities = client.getServerCapabilities();
    expect(capabilities).toMatchObject({ tools: {}, resources: {}, prompts: {} });
    expect(capabilities.tools).toEqual({});
  });

  test("list, call, read and get", async () => {
    const names = (await client.listTools()).tools.map((one: any) => one.name);
    expect(names).toEqual(["plain", "asking", "array", "object", "stepping", "write", "talking", "waiting"]);
    for (const status of ["miss", "hit"]) {
      const { content, _meta } = await client.callTool({ name: "plain", arguments: { q: "x" } });
      expect([content[0].text, _meta["edge-replica/cache"].status]).toEqual(["plain x", status]);
    }
    const { structuredContent } = await client.callTool({ name: "array", arguments: {} });
    expect(structuredContent).toEqual({ result: [{ n: 1 }, { n: 2 }] });
    expect((await client.readResource({ uri: "test://item/7" })).contents[0].text).toBe("item 7");
    const { messages } = await client.getPrompt({ name: "greet", arguments: { name: "Ada" } });
    expect(messages[0].content.text).toBe("Greet Ada");
  });

  test("get errors that the client understands", async () => {
    await expect(client.readResource({ uri: "test://other" })).rejects.toMatchObject({
      code: expect.toBeOneOf([-32602, -32002]),
    });
    expect((await client.callTool({ name: "asking", arguments: {} })).isError).toBe(true);
  });

  test("get progress", async () => {
    let seen = 0;
    const options = { onprogress: () => seen++ };
    const params = { name: "plain", arguments: { q: "with progress" } };
    await (name === "sdk 1" ? client.callTool(params, undefined, options) : client.callTool(params, options));
    expect(seen).toBe(1);
  });
});

test("where the origin opens sessions, clients are left to initialize by themselves", async () => {
  const origin = await new Fixture().start();
  makeStateful(origin);
  origin.tools = [tool("other")];
  const replica = await startReplica({ origins: { o: { url: origin.url } } });
  const got = await modern(replica.mcp, "server/discover");
  expect([got.status, got.body.error.code]).toEqual([404, -32601]);
  for (const [name, connect] of CLIENTS.filter(([name]) => name !== "sdk 2 pinned")) {
    const client = (await connect(replica.mcp)) as any;
    expect([name, (await client.callTool({ name: "other", arguments: {} })).content[0].text]).toEqual([
      name,
      expect.stringMatching(/^other/),
    ]);
    await client.close();
  }
  await replica.close();
  await origin.stop();
});
