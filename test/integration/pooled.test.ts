import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { connectModern } from "../origin/clients.ts";
import { Fixture, type Handler, text, tool } from "./support/fixture.ts";
import { bearer, makeKey, PEPPER } from "./support/keys.ts";
import { type Replica, startReplica } from "./support/replica.ts";
import { eventsIn, openAt } from "./support/sessionsOf.ts";
import { makeStateful, type Stateful } from "./support/stateful.ts";
import { call, codeOf, legacyCall, modern, said, until } from "./support/wire.ts";

const cache = { ttl: "5m", staleIfError: "1d" } as const;
const SERVER_INFO = "io.modelcontextprotocol/serverInfo";
const DECLINED = "edge-replica/declined";

describe("an origin that opens sessions, and modern callers", () => {
  const origin = new Fixture();
  let sessions: Stateful;
  let replica: Replica;
  const setUp = () => {
    origin.reset();
    origin.tools = [tool("kept", { execution: { taskSupport: "forbidden" } }), tool("shared"), tool("other")];
    const { live } = sessions ?? {};
    sessions = makeStateful(origin);
    for (const id of live ?? []) sessions.live.add(id);
    origin.on("POST", () => ({ status: 202, text: "" }));
  };
  beforeAll(async () => {
    await origin.start();
    setUp();
    const tools = { kept: { cache }, shared: { cache: { ...cache, scope: "public" } } } as const;
    replica = await startReplica({ origins: { o: { url: origin.url, modernize: "always", tools } } }, { instances: 2 });
  });
  afterAll(async () => {
    await replica?.close();
    await origin.stop();
  });
  beforeEach(setUp);

  test("the origin is told as a modern one", async () => {
    const got = await modern(replica.mcp, "server/discover");
    expect(got.status).toBe(200);
    expect(got.body.result).toMatchObject({
      resultType: "complete",
      supportedVersions: ["2026-07-28"],
      capabilities: { tools: {}, resources: {} },
      ttlMs: 0,
      cacheScope: "private",
      _meta: { [SERVER_INFO]: { name: "stateful" } },
    });
  });

  test("the pinned client connects, lists, calls, reads and gets", async () => {
    const client = (await connectModern(replica.mcp)) as any;
    expect(client.getServerVersion()).toMatchObject({ name: "stateful" });
    expect((await client.listTools()).tools.map(({ name }: any) => name)).toEqual(["kept", "shared", "other"]);
    expect((await client.callTool({ name: "other", arguments: {} })).content[0].text).toMatch(/^other/);
    for (const _ of [1, 2]) {
      expect((await client.callTool({ name: "kept", arguments: { q: "sdk" } })).content[0].text).toBe("kept 1");
    }
    expect((await client.readResource({ uri: "x://1" })).contents[0].text).toMatch(/^x:\/\/1/);
    await client.close();
  });

  test("one session serves all calls of a principal, in all places", async () => {
    await call(replica.mcp, "other");
    const opened = origin.count("initialize");
    for (const url of replica.urls) await call(`${url}/mcp`, "other");
    await call(`${replica.urls[1]}/mcp`, "kept", { q: "elsewhere" });
    expect(origin.count("initialize")).toBe(opened);
    const used = origin.seen.filter(({ method }) => method === "tools/call");
    expect(new Set(used.map(({ headers }) => headers["mcp-session-id"])).size).toBe(1);
  });
});
