import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { connectFirst, connectLegacy } from "../origin/clients.ts";
import { CLIENTS } from "./support/clients.ts";
import { Fixture, tool } from "./support/fixture.ts";
import { type Replica, startReplica } from "./support/replica.ts";
import { type SdkOrigin, startSdkOrigin } from "./support/sdkOrigin.ts";
import { call, codeOf, initialize, legacy, legacyCall, modern, said, until } from "./support/wire.ts";

const cache = { ttl: "5m", scope: "public" } as const;
const TOOLS = { plain: { cache }, array: { cache }, either: { cache }, object: { cache }, regional: { cache } };

describe.each([
  ["sdk 1", async (url: string) => (await connectFirst(url)) as any],
  ["sdk 2 by default", async (url: string) => (await connectLegacy(url)) as any],
])("the client %s, and an origin that is modern only", (name, connect) => {
  let origin: SdkOrigin;
  let replica: Replica;
  let client: any;
  beforeAll(async () => {
    origin = await startSdkOrigin("reject");
    replica = await startReplica({ origins: { o: { url: origin.url, tools: TOOLS } } });
    client = await connect(replica.mcp);
  });
  afterAll(async () => {
    await client?.close();
    await replica?.close();
    await origin?.close();
  });

  test("meet: the version is a legacy one, and nothing is promised that cannot be kept", () => {
    expect(client.getServerVersion()).toMatchObject({ name: "sdk-origin" });
    expect(client.getServerCapabilities()).toEqual({ tools: {}, resources: {}, prompts: {}, completions: {} });
    expect(client.getInstructions()).toBe("Ask for anything.");
  });

  test("list, with output schemas that the client can take", async () => {
    const { tools } = await client.listTools();
    const schema = (tool: string) => tools.find((one: any) => one.name === tool).outputSchema;
    expect(schema("array")).toMatchObject({
      type: "object",
      required: ["result"],
      properties: { result: { type: "array" } },
    });
    expect(schema("either")).toMatchObject({ type: "object", required: ["result"] });
    expect(schema("object")).toMatchObject({ type: "object", properties: { a: {} } });
    expect((await client.listResources()).resources[0].uri).toBe("test://fixed");
    expect((await client.listResourceTemplates()).resourceTemplates[0].uriTemplate).toBe("test://item/{id}");
    expect((await client.listPrompts()).prompts[0].name).toBe("greet");
  });

  test("call, and the answer is cached", async () => {
    for (const status of ["miss", "hit"]) {
      const { content, _meta } = await client.callTool({ name: "plain", arguments: { q: "x" } });
      expect([content[0].text, _meta["edge-replica/cache"].status]).toEqual(["plain x", status]);
    }
    expect(origin.seen.filter((one) => one === "tools/call plain")).toHaveLength(1);
  });

  test.each([
    ["array", { result: [{ n: 1 }, { n: 2 }] }],
    ["either", { result: { a: 1 } }],
    ["object", { a: 1 }],
  ])("call %s twice, and get its structured content in a form the client takes", async (tool, structured) => {
    for (const _ of [1, 2]) {
      expect((await client.callTool({ name: tool, arguments: {} })).structuredContent).toEqual(structured);
    }
  });

  test("call a tool whose arguments are mirrored in headers", async () => {
    const { content } = await client.callTool({ name: "regional", arguments: { region: "größer" } });
    expect(content[0].text).toBe("in größer");
  });

  test("call what is not cached, and what is not there", async () => {
    expect((await client.callTool({ name: "write", arguments: {} })).content[0].text).toBe("written");
    await expect(client.callTool({ name: "nothing", arguments: {} })).rejects.toMatchObject({ code: -32602 });
  });

  test("read, get and complete", async () => {
    expect((await client.readResource({ uri: "test://fixed" })).contents[0].text).toBe("fixed");
    expect((await client.readResource({ uri: "test://item/7" })).contents[0].text).toBe("item 7");
    expect((await client.getPrompt({ name: "greet", arguments: { name: "Ada" } })).messages[0].content.text).toBe(
      "Greet Ada",
    );
    const ref = { type: "ref/prompt", name: "greet" };
    expect((await client.complete({ ref, argument: { name: "name", value: "A" } })).completion.values).toEqual([
      "Ada",
      "Alan",
    ]);
  });

  test("get progress as it happens", async () => {
    let seen = 0;
    const onprogress = () => {
      seen++;
      origin.release();
    };
    const params = { name: "slow", arguments: {} };
    const { content } = await (name === "sdk 1"
      ? client.callTool(params, undefined, { onprogress })
      : client.callTool(params, { onprogress }));
    expect([content[0].text, seen]).toEqual(["at last", 1]);
  });

  test("ping, and set a log level", async () => {
    expect(await client.ping()).toEqual({});
    const got = await legacy(replica.mcp, "logging/setLevel", { level: "info" });
    expect([got.status, got.body.result]).toEqual([200, {}]);
  });
});

describe("on the wire", () => {
  const origin = new Fixture();
  let replica: Replica;
  beforeAll(async () => {
    await origin.start();
    origin.eras = "modern";
    origin.tools = [tool("kept"), tool("other")];
    replica = await startReplica({
      origins: { o: { url: origin.url, tools: { kept: { cache: { ttl: "5m", staleIfError: "1d" } } } } },
    });
    await initialize(replica.mcp);
  });
  afterAll(async () => {
    await replica?.close();
    await origin.stop();
  });

  test.each([
    ["2025-11-25", "2025-11-25"],
    ["2025-06-18", "2025-06-18"],
    ["2025-03-26", "2025-03-26"],
    ["2024-11-05", "2025-11-25"],
  ])("who asks for %s gets %s, and no session", async (asked, given) => {
    const got = await initialize(replica.mcp, asked);
    expect([got.status, got.body.result.protocolVersion]).toEqual([200, given]);
    expect(got.headers["mcp-session-id"]).toBeUndefined();
    expect(got.body.result).not.toHaveProperty("resultType");
  });

  test("an entry that one era filled is a hit for the other", async () => {
    expect((await legacyCall(replica.mcp, "kept", { q: 1 })).cache?.status).toBe("miss");
    expect((await call(replica.mcp, "kept", { q: 1 })).cache?.status).toBe("hit");
    expect((await call(replica.mcp, "kept", { q: 2 })).cache?.status).toBe("miss");
    expect((await legacyCall(replica.mcp, "kept", { q: 2 })).cache?.status).toBe("hit");
  });

  test("the origin gets a modern request: envelope, headers, and what the caller wrote as it was", async () => {
    await legacy(replica.mcp, "tools/call", { name: "other", arguments: { n: 1 } }, { id: "a", meta: { "acme/x": 1 } });
    const { headers, params, id } = origin.last("tools/call", "other");
    expect(id).toBe("a");
    expect(headers).toMatchObject({
      "mcp-protocol-version": "2026-07-28",
      "mcp-method": "tools/call",
      "mcp-name": "other",
    });
    expect(params).toEqual({
      name: "other",
      arguments: { n: 1 },
      _meta: {
        "acme/x": 1,
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": expect.objectContaining({ name: "mcp-edge-replica" }) as unknown,
      },
    });
  });

  test.each(["kept", "other"])("what the caller has no form for is refused plainly: %s", async (name) => {
    origin.on(`tools/call ${name}`, () => ({ result: { resultType: "input_required", inputRequests: {} } }));
    const got = await legacyCall(replica.mcp, name, { input: true });
    origin.reset();
    origin.eras = "modern";
    origin.tools = [tool("kept"), tool("other")];
    expect([got.status, got.body.result.isError, codeOf(got)]).toEqual([200, true, "needs_newer_client"]);
  });

  test.each(["resources/subscribe", "resources/unsubscribe", "tasks/list", "acme/unknown"])(
    "%s is not found, with status 200",
    async (method) => {
      const got = await legacy(replica.mcp, method, { uri: "x://1" });
      expect([got.status, got.body.error.code]).toEqual([200, -32601]);
    },
  );

  test("a resource that is not there has its legacy code", async () => {
    origin.on("resources/read", ({ name }) => ({
      error: { code: -32602, message: "Resource not found", data: { uri: name } },
    }));
    const got = await legacy(replica.mcp, "resources/read", { uri: "x://gone" });
    expect([got.status, got.body.error.code]).toEqual([200, -32002]);
    expect((await modern(replica.mcp, "resources/read", { uri: "x://gone" })).body.error.code).toBe(-32602);
  });

  test("it is found out once, and outlives the origin", async () => {
    const before = origin.count("initialize");
    for (let nth = 0; nth < 5; nth++) await initialize(replica.mcp);
    expect(origin.count("initialize")).toBe(before);
    await legacyCall(replica.mcp, "kept", { q: "offline" });
    await legacy(replica.mcp, "tools/list");
    await origin.stop();
    for (const [name, connect] of CLIENTS) {
      const client = (await connect(replica.mcp)) as any;
      expect([name, (await client.listTools()).tools.length]).toEqual([name, 2]);
      const { content } = await client.callTool({ name: "kept", arguments: { q: "offline" } });
      expect(content[0].text).toMatch(/^kept/);
      await client.close();
    }
    const got = await until(() => legacyCall(replica.mcp, "other"), Boolean);
    expect([got.status, codeOf(got), said(got)]).toEqual([200, "origin_unavailable", expect.any(String)]);
    await origin.start();
  });
});
