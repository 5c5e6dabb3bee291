import { afterAll, beforeAll, describe, expect, test } from "vitest";
import * as z from "zod";
import { type Origin, startOrigin } from "../../scripts/origin/startOrigin.ts";
import type { AnyClient } from "../origin/clients.ts";
import { CLIENTS } from "./support/clients.ts";
import { type Replica, startReplica } from "./support/replica.ts";
import { call, initialize, legacy, legacyCall, modern, said } from "./support/wire.ts";

const cache = { ttl: "5m", staleIfError: "1h", scope: "public" } as const;
let origin: Origin;
let replica: Replica;

beforeAll(async () => {
  origin = await startOrigin();
  replica = await startReplica({
    origins: {
      bcd: {
        url: origin.url,
        // Compared is the origin's own word, also for what the replica would have refused.
        validate: false,
        tools: { search_features: { cache }, get_feature: { cache }, check_support: { cache } },
        resources: { "bcd://*": { cache: { scope: "public" } } },
        prompts: { compare_support: { cache } },
      },
    },
  });
});
afterAll(async () => {
  await replica?.close();
  await origin?.close();
});

const count = async (name: string): Promise<number> => {
  const { byName } = (await (await fetch(new URL("/count", origin.url))).json()) as { byName: Record<string, number> };
  return byName[name] ?? 0;
};

const PASSTHROUGH = z.looseObject({});
const ID = "api.AbortController";

/** Everything that a client does, by what it is. */
const ACTS: Record<string, (client: any) => Promise<unknown>> = {
  ping: (client) => client.ping(),
  "tools/list": (client) => client.listTools(),
  "prompts/list": (client) => client.listPrompts(),
  "resources/list": (client) => client.listResources(),
  "resources/templates/list": (client) => client.listResourceTemplates(),
  "tools/call of a cached tool": (client) => client.callTool({ name: "get_feature", arguments: { id: ID } }),
  "tools/call of another tool": (client) => client.callTool({ name: "list_features", arguments: { limit: 2 } }),
  "tools/call that the tool refuses": (client) => client.callTool({ name: "get_feature", arguments: { id: "nope" } }),
  "tools/call with wrong arguments": (client) => client.callTool({ name: "get_feature", arguments: { id: 7 } }),
  "tools/call of no tool": (client) => client.callTool({ name: "no_such_tool", arguments: {} }),
  "resources/read": (client) => client.readResource({ uri: "bcd://browser/firefox" }),
  "resources/read of a template": (client) => client.readResource({ uri: `bcd://feature/${ID}` }),
  "resources/read of nothing": (client) => client.readResource({ uri: "bcd://nothing" }),
  "prompts/get": (client) => client.getPrompt({ name: "compare_support", arguments: { id: ID } }),
  "prompts/get of nothing": (client) => client.getPrompt({ name: "nothing", arguments: {} }),
  "completion/complete": (client) =>
    client.complete({
      ref: { type: "ref/prompt", name: "compare_support" },
      argument: { name: "id", value: "api.AbortC" },
    }),
  "an unknown method": (client) => client.request({ method: "acme/unknown", params: {} }, PASSTHROUGH),
};

/** What a client made of the answer, without what may differ: cache words, request ids, and the server's name that eras tell apart. */
async function outcome(act: Promise<unknown>): Promise<unknown> {
  try {
    const { ttlMs: _, _meta, ...result } = structuredClone(((await act) ?? {}) as Record<string, any>);
    const { "edge-replica/cache": __, "io.modelcontextprotocol/serverInfo": ___, ...meta } = _meta ?? {};
    return { result, meta };
  } catch (error) {
    const { code, message, data } = error as Error & { code: unknown; data: unknown };
    return JSON.parse(JSON.stringify({ code, message, data }).replaceAll(/(\\"id\\":)\d+/g, "$1"));
  }
}

/** Capabilities without what promises notifications. */
function withoutPromises(capabilities: object): object {
  const isPromise = ([name]: [string, unknown]) => name === "listChanged" || name === "subscribe";
  return Object.fromEntries(
    Object.entries(capabilities).map(([name, value]) => [
      name,
      Object.fromEntries(Object.entries(value as object).filter((entry) => !isPromise(entry))),
    ]),
  );
}

describe.each(CLIENTS)("the client %s", (name, connect) => {
  const isModern = /auto|pinned/.test(name);
  let direct: AnyClient;
  let through: AnyClient;
  beforeAll(async () => {
    [direct, through] = await Promise.all([connect(origin.url), connect(replica.mcp)]);
  });
  afterAll(() => Promise.all([direct?.close(), through?.close()]));

  test("is told by the replica who the origin is", () => {
    const identity = (client: any) => [
      client.getServerVersion(),
      client.getServerCapabilities(),
      client.getInstructions(),
    ];
    expect(identity(through)[0]).toMatchObject({ name: "browser-compat-origin" });
    const [version, capabilities, instructions] = identity(direct);
    // A legacy origin without sessions has no stream on which notifications could come, so they are not promised.
    const kept = isModern ? capabilities : withoutPromises(capabilities);
    expect(identity(through)).toEqual([version, kept, instructions]);
  });

  test.each(Object.keys(ACTS))("gets the origin's own answer to %s, twice", async (what) => {
    const own = await outcome(ACTS[what]!(direct));
    expect(await outcome(ACTS[what]!(through))).toEqual(own);
    expect(await outcome(ACTS[what]!(through))).toEqual(own);
  });
});

describe("callers of both eras", () => {
  const told = {
    storedAt: expect.any(Number) as number,
    ageMs: expect.any(Number) as number,
  };

  test("share a tool's answer, whoever came first, and the origin is asked once", async () => {
    const before = await count("tools/call search_features");
    const first = await legacyCall(replica.mcp, "search_features", { query: "abort" });
    const then = await call(replica.mcp, "search_features", { query: "abort" });
    expect([first.cache, then.cache]).toEqual([
      { status: "miss", ...told },
      { status: "hit", ...told },
    ]);
    const third = await call(replica.mcp, "search_features", { query: "fetch" });
    const fourth = await legacyCall(replica.mcp, "search_features", { query: "fetch" });
    expect([third.cache?.status, fourth.cache?.status]).toEqual(["miss", "hit"]);
    expect(said(fourth)).toBe(said(third));
    expect(await count("tools/call search_features")).toBe(before + 2);
  });

  test("share resources and prompts", async () => {
    const uri = "bcd://browser/safari";
    const [first, then] = [
      await modern(replica.mcp, "resources/read", { uri }),
      await legacy(replica.mcp, "resources/read", { uri }),
    ];
    expect([first.cache?.status, then.cache?.status]).toEqual(["miss", "hit"]);
    const get = { name: "compare_support", arguments: { id: "api.fetch" } };
    const [asked, again] = [
      await legacy(replica.mcp, "prompts/get", get),
      await modern(replica.mcp, "prompts/get", get),
    ];
    expect([asked.cache?.status, again.cache?.status]).toEqual(["miss", "hit"]);
    expect(await count(`resources/read ${uri}`)).toBe(1);
  });

  test("are each told the answer in the form of their era", async () => {
    const uri = "bcd://browser/edge";
    await modern(replica.mcp, "resources/read", { uri });
    const { result: legacyResult } = (await legacy(replica.mcp, "resources/read", { uri })).body;
    expect(Object.keys(legacyResult).sort()).toEqual(["_meta", "contents"]);
    const { result } = (await modern(replica.mcp, "resources/read", { uri })).body;
    expect(result).toMatchObject({ resultType: "complete", cacheScope: "public", ttlMs: expect.any(Number) as number });
    expect(result.ttlMs).toBeGreaterThan(0);
    expect(result.contents).toEqual(legacyResult.contents);
  });

  test("get no cache hints where the protocol has none, in either era", async () => {
    for (const ask of [call, legacyCall, call]) {
      const { result } = (await ask(replica.mcp, "search_features", { query: "worker" })).body;
      expect(result).not.toHaveProperty("ttlMs");
      expect(result).not.toHaveProperty("cacheScope");
    }
    const { result } = (await initialize(replica.mcp)).body;
    expect(result).not.toHaveProperty("ttlMs");
    expect(result).not.toHaveProperty("resultType");
  });

  test("find the status of the cache on every kind of cached answer", async () => {
    const asks: [string, Record<string, unknown>][] = [
      ["tools/list", {}],
      ["prompts/list", {}],
      ["resources/list", {}],
      ["resources/templates/list", {}],
      ["resources/read", { uri: "bcd://browsers" }],
      ["tools/call", { name: "check_support", arguments: { id: ID, browser: "firefox" } }],
      ["prompts/get", { name: "compare_support", arguments: { id: ID } }],
    ];
    for (const [method, params] of asks) {
      await modern(replica.mcp, method, params);
      const [inModern, inLegacy] = [
        await modern(replica.mcp, method, params),
        await legacy(replica.mcp, method, params),
      ];
      expect([method, inModern.cache]).toEqual([method, { status: "hit", ...told }]);
      expect([method, inLegacy.cache]).toEqual([method, { status: "hit", ...told }]);
      expect(inLegacy.body.result).not.toHaveProperty("resultType");
    }
    expect((await modern(replica.mcp, "server/discover")).cache).toEqual({ status: "hit", ...told });
  });

  test("get their own id back, with its type", async () => {
    for (const id of [1, "1", 0, -7, "", 'a"\\\n☃', 9007199254740991]) {
      for (const ask of [call, legacyCall]) {
        const got = await ask(replica.mcp, "get_feature", { id: ID }, { id });
        expect([got.cache?.status, got.body.id]).toEqual([expect.stringMatching(/hit|miss/), id]);
      }
    }
  });
});
