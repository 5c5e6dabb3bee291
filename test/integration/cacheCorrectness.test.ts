import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { keyRecord } from "../../src/access/keys.ts";
import { Fixture, type Reply, text, tool } from "./support/fixture.ts";
import { bearer, makeKey, PEPPER } from "./support/keys.ts";
import { type Replica, seed, startReplica } from "./support/replica.ts";
import { type Ask, call, codeOf, type Got, legacyCall, modern } from "./support/wire.ts";
import { modernBody, modernHeaders, type Params, said, send } from "./support/wire.ts";

const origin = new Fixture();
let replica: Replica;
let ann: Ask;
let bob: Ask;

beforeAll(async () => {
  await origin.start();
  const shared = { cache: { ttl: "10m", staleIfError: "1h", scope: "public" } } as const;
  replica = await startReplica(
    {
      origins: {
        o: {
          url: origin.url,
          tools: { own: { cache: { ttl: "10m", staleIfError: "1h" } }, shared, regional: shared },
          resources: { "go://*": { cache: { ttl: "10m", scope: "public" } } },
        },
      },
      access: { open: true, keys: true },
      limits: { entry: "64KB" },
    },
    { instances: 2, vars: { KEY_PEPPER: PEPPER } },
  );
  [ann, bob] = [bearer((await makeKey(replica)).key), bearer((await makeKey(replica)).key)];
});
beforeEach(() => {
  origin.reset();
  origin.tools = ["own", "shared", "regional"].map((name) => tool(name));
});
afterEach(() => origin.start().catch(() => {}));
afterAll(async () => {
  await replica?.close();
  await origin.stop();
});

const other = () => `${replica.urls[1]}/mcp`;
const statusOf = ({ cache }: Got) => cache?.status;
const ONLY_CACHED = { "cache-control": "only-if-cached" };
const also = ({ headers }: Ask, more: Record<string, string>): Ask => ({ headers: { ...headers, ...more } });
const read = (uri: string, who: Ask = {}, url = replica.mcp) => modern(url, "resources/read", { uri }, who);
const list = (cursor?: string, who: Ask = {}) => modern(replica.mcp, "prompts/list", cursor ? { cursor } : {}, who);
const hints = (cacheScope: string, ttlMs = 60_000) => ({ cacheScope, ttlMs });
const tellHints = (more: object) => () => ({ result: { contents: [{ uri: "x", text: `${++nth}` }], ...more } });

let nth = 0;
const unique = (): Params => ({ nth: ++nth });

describe("1: a private list or read never reaches another", () => {
  test("nor anybody unknown, nor one with a new key", async () => {
    origin.on("resources/read", tellHints(hints("private")));
    origin.on("prompts/list", () => ({ result: { prompts: [{ name: `${++nth}` }], ...hints("private") } }));
    const renewed = bearer((await makeKey(replica)).key);
    for (const ask of [(who: Ask) => read("own://1", who), (who: Ask) => list(undefined, who)]) {
      const callers = [ann, bob, {}, renewed];
      const first = [];
      for (const who of callers) first.push(await ask(who));
      expect(first.map(statusOf)).toEqual(callers.map(() => "miss"));
      for (const [index, who] of callers.entries()) {
        const again = await ask(who);
        const content = ({ body }: Got) => body.result.contents ?? body.result.prompts;
        expect([statusOf(again), content(again)]).toEqual(["hit", content(first[index]!)]);
      }
    }
  });

  test("nor one who has been locked out", async () => {
    const leaving = await makeKey(replica);
    await call(replica.mcp, "own", {}, bearer(leaving.key));
    await replica.store.delete(keyRecord(leaving.id));
    expect((await call(other(), "own", {}, bearer(leaving.key))).status).toBe(401);
  });
});

test("2: public with ttlMs 0 and an operator's ttl is not shared", async () => {
  origin.on("resources/read", tellHints(hints("public", 0)));
  await read("go://1", ann);
  expect([statusOf(await read("go://1", bob)), statusOf(await read("go://1", ann))]).toEqual(["miss", "hit"]);
});

describe("3: what flips from public to private", () => {
  test("is gone for others at once", async () => {
    origin.on("resources/read", tellHints(hints("public")));
    await read("flip://1", ann);
    expect(statusOf(await read("flip://1", bob))).toBe("hit");
    origin.on("resources/read", tellHints(hints("private")));
    await read("flip://1", also(ann, { "cache-control": "no-cache" }));
    expect(statusOf(await read("flip://1", bob))).toBe("miss");
  });

  test("on the second page takes the first page along", async () => {
    const page = (cacheScope: string, nextCursor?: string) => ({
      result: { prompts: [{ name: `${++nth}` }], ...hints(cacheScope), ...(nextCursor && { nextCursor }) },
    });
    origin.on("prompts/list", ({ params }) => (params.cursor ? page("private") : page("public", "2")));
    await list(undefined, also(ann, { "cache-control": "no-cache" }));
    expect(statusOf(await list(undefined, bob))).toBe("hit");
    await list("2", ann);
    expect(statusOf(await list(undefined, bob))).toBe("miss");
  });
});

describe("4: aging", () => {
  const entry = { ttlMs: 60_000, promisedMs: 60_000, staleIfErrorMs: 600_000, body: '"contents":[]' };
  const aged = (target: string, ageMs: number) => seed(replica, { method: "resources/read", target, ageMs, entry });

  test("the ttlMs that is told is what remains, and 0 where the answer is stale", async () => {
    await aged("age://1", 40_000);
    const got = await read("age://1");
    expect([statusOf(got), got.body.result.ttlMs <= 20_000, got.body.result.ttlMs > 10_000]).toEqual([
      "hit",
      true,
      true,
    ]);
    await aged("age://2", 70_000);
    origin.on("resources/read", () => "reset");
    const old = await read("age://2");
    expect([statusOf(old), old.body.result.ttlMs]).toEqual(["stale", 0]);
  });

  test("two replicas, one behind the other, never promise more than the origin did", async () => {
    const behind = await startReplica({ origins: { o: { url: replica.mcp } } });
    try {
      await aged("age://3", 40_000);
      for (const status of ["miss", "hit"]) {
        const got = await read("age://3", {}, behind.mcp);
        expect([statusOf(got), got.body.result.ttlMs <= 20_000]).toEqual([status, true]);
      }
    } finally {
      await behind.close();
    }
  });
});

test("8: input_required is not stored, nor is a continuation, whose requestState passes as it is", async () => {
  const requestState = 'opaque "é\u2028\\ =?base64?eA==?=';
  origin.on("tools/call own", ({ params }) => {
    if (params.requestState !== undefined) return text("continued");
    return { result: { resultType: "input_required", requestState, inputRequests: {} } };
  });
  const args = unique();
  for (let times = 0; times < 2; times++) {
    const { body } = await call(replica.mcp, "own", args);
    expect([body.result.resultType, body.result.requestState]).toEqual(["input_required", requestState]);
  }
  const params = { name: "own", arguments: args, requestState, inputResponses: {} };
  expect(said(await modern(replica.mcp, "tools/call", params))).toBe("continued");
  expect(origin.last("tools/call").params.requestState).toBe(requestState);
  expect(codeOf(await call(replica.mcp, "own", args, { headers: ONLY_CACHED }))).toBe("not_cached");
});

test("9: a task is not stored, its ttlMs is no hint, and tasks/get passes with Mcp-Name", async () => {
  origin.on("tools/call own", () => ({
    result: { resultType: "task", taskId: "t1", status: "working", ttlMs: 60_000 },
  }));
  const args = unique();
  for (let times = 1; times <= 2; times++) {
    const { body } = await call(replica.mcp, "own", args);
    expect([body.result.taskId, body.result.ttlMs, origin.count("tools/call", "own")]).toEqual(["t1", 60_000, times]);
  }
  origin.on("tasks/get", () => ({ result: { taskId: "t1", status: "completed" } }));
  const headers = { "mcp-name": "t1" };
  expect((await modern(replica.mcp, "tasks/get", { taskId: "t1" }, { headers })).body.result.status).toBe("completed");
  expect(origin.last("tasks/get").headers["mcp-name"]).toBe("t1");
});

test.each<[string, Reply]>([
  ["isError", text("failed", { isError: true })],
  ["a JSON-RPC error", { error: { code: -32603, message: "failed" } }],
  ["a truncated stream", { ...text("half"), sse: true, breakOff: true }],
  ["truncated JSON", { ...text("half"), breakOff: true }],
])("10: %s is not stored", async (_, reply) => {
  origin.on("tools/call own", () => reply);
  for (const caller of [call, legacyCall]) {
    for (const meta of [{}, { progressToken: 1 }]) {
      const args = unique();
      await caller(replica.mcp, "own", args, { meta });
      expect(codeOf(await caller(replica.mcp, "own", args, { headers: ONLY_CACHED }))).toBe("not_cached");
    }
  }
});

describe("11: the same arguments", () => {
  const raw = async (args: string): Promise<Got> => {
    const body = modernBody("tools/call", { name: "own", arguments: "ARGS" }).replace('"ARGS"', args);
    return send(replica.mcp, { headers: modernHeaders("tools/call", { name: "own" }), body });
  };

  test("in another order, escaped, or with a number in another form are the same call", async () => {
    await raw('{"a":42,"b":"é/","c":[1,2]}');
    for (const same of [
      '{"b":"é/","c":[1,2],"a":42}',
      '{ "a" : 42.0, "\\u0062" : "\\u00e9\\/", "c" : [1, 2] }',
      '{"a":4.2e1,"b":"é/","c":[1e0,0.2E+1]}',
    ]) {
      expect(statusOf(await raw(same))).toBe("hit");
    }
    for (const another of [
      '{"a":"42","b":"é/","c":[1,2]}',
      '{"a":42,"b":"e\u0301/","c":[1,2]}',
      '{"a":42,"b":"é/","c":[2,1]}',
      '{"a":42,"b":"é/","c":[1,2],"d":null}',
    ]) {
      expect(statusOf(await raw(another))).toBe("miss");
    }
  });

  test("absent are not the empty ones, and neither is an absent cursor", async () => {
    await modern(replica.mcp, "tools/call", { name: "shared" });
    expect(statusOf(await call(replica.mcp, "shared", {}))).toBe("miss");
    expect(statusOf(await modern(replica.mcp, "tools/call", { name: "shared" }))).toBe("hit");
    origin.on("resources/list", ({ params }) => ({
      result: { resources: [{ uri: `x://${params.cursor}`, name: "x" }], ...hints("private") },
    }));
    for (const [params, uri] of [
      [{}, "x://undefined"],
      [{ cursor: "" }, "x://"],
    ] as const) {
      const first = await modern(replica.mcp, "resources/list", params);
      const { body } = await modern(replica.mcp, "resources/list", params);
      expect([statusOf(first), body.result.resources[0].uri]).toEqual(["miss", uri]);
    }
  });
});

test("12: other capabilities have another entry: an error for none, a result for elicitation", async () => {
  origin.on("tools/call shared", ({ params }) =>
    params._meta["io.modelcontextprotocol/clientCapabilities"].elicitation
      ? text("asked")
      : { status: 400, error: { code: -32021, message: "needs elicitation" } },
  );
  const args = unique();
  const able = { capabilities: { elicitation: {} } };
  for (const status of ["miss", "hit"]) {
    const refused = await call(replica.mcp, "shared", args);
    expect([refused.status, refused.body.error.code]).toEqual([400, -32021]);
    const got = await call(replica.mcp, "shared", args, able);
    expect([statusOf(got), said(got)]).toEqual([status, "asked"]);
  }
});

test("13: a vendor's _meta bypasses, and the trace is continued but not stored", async () => {
  const args = unique();
  const trace = "0af7651916cd43dd8448eb211c80319c";
  const traceparent = `00-${trace}-b7ad6b7169203331-01`;
  origin.on("tools/call shared", ({ params, headers }) =>
    text("traced", {
      _meta: { traceparent: headers["traceparent"], tracestate: "a=b", baggage: "c=d", own: params.name },
    }),
  );
  await call(replica.mcp, "shared", args, { meta: { traceparent } });
  const sent = origin.last("tools/call").headers["traceparent"] as string;
  expect(sent).toContain(trace);
  expect(sent).not.toBe(traceparent);
  const got = await call(replica.mcp, "shared", args);
  expect([statusOf(got), Object.keys(got.body.result._meta)]).toEqual(["hit", ["own", "edge-replica/cache"]]);
  const vendor = await call(replica.mcp, "shared", args, { meta: { "acme/tenant": "b" } });
  expect([statusOf(vendor), origin.count("tools/call", "shared")]).toEqual([undefined, 2]);
});
