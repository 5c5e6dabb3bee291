import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { digest } from "../../src/cache/key.ts";
import { resolve } from "../../src/config/resolve.ts";
import { CLIENTS } from "./support/clients.ts";
import { Fixture, tool } from "./support/fixture.ts";
import { type Replica, startReplica } from "./support/replica.ts";
import { makeStateful } from "./support/stateful.ts";
import {
  call,
  codeOf,
  initialize,
  legacy,
  legacyCall,
  modern,
  modernHeaders,
  said,
  send,
  until,
} from "./support/wire.ts";

const REGIONAL = {
  inputSchema: { type: "object", properties: { region: { type: "string", "x-mcp-header": "Region" } } },
};
/** Each test has an origin that nobody has met; the replica is one for all. */
const origins: Fixture[] = [];
const cache = { ttl: "5m", scope: "public" } as const;
let replica: Replica;
let origin: Fixture;
let mcp: string;
beforeAll(async () => {
  for (let nth = 0; nth < 60; nth++) origins.push(await new Fixture().start());
  const tools = { shared: { cache } };
  replica = await startReplica(
    { origins: Object.fromEntries(origins.map(({ url }, nth) => [`o${nth}`, { url, tools }])) },
    { instances: 2 },
  );
});
afterAll(async () => {
  await replica?.close();
  for (const one of origins) await one.stop();
});
let used = 0;
beforeEach(() => {
  mcp = `${replica.mcp}/o${used}`;
  origin = origins[used++]!;
  origin.tools = [tool("other"), tool("regional", REGIONAL)];
});

describe("an origin of the earlier revisions, without sessions", () => {
  beforeEach(async () => {
    origin.eras = "legacy";
    await modern(mcp, "server/discover");
  });

  test.each<[string, Record<string, unknown> | undefined, Record<string, string>, number]>([
    ["no envelope", undefined, {}, -32602],
    ["half an envelope", { _meta: { "io.modelcontextprotocol/clientCapabilities": {} } }, {}, -32602],
    ["no envelope, and initialize", undefined, { "mcp-method": "initialize" }, -32020],
  ])(
    "a request with the header of the modern revision and %s is judged as a modern one",
    async (_, params, more, code) => {
      const headers = { ...modernHeaders("tools/list"), ...more };
      const body = JSON.stringify({ jsonrpc: "2.0", id: 101, method: headers["mcp-method"], params });
      const before = origin.seen.length;
      const got = await send(mcp, { headers, body });
      expect([got.status, got.body.error.code]).toEqual([400, code]);
      expect([got.body.id, origin.seen.length]).toEqual([101, before]);
    },
  );

  test("server/discover is answered whatever else the request carries", async () => {
    const got = await modern(mcp, "server/discover", {}, { id: "d", meta: { "acme/x": 1 } });
    expect([got.status, got.body.id, got.body.result?.supportedVersions]).toEqual([200, "d", ["2026-07-28"]]);
  });

  test("headers that contradict the arguments are refused whatever else the request carries", async () => {
    await modern(mcp, "tools/list");
    for (const meta of [undefined, { "acme/x": 1 }]) {
      const ask = { headers: { "mcp-param-region": "us" }, ...(meta && { meta }) };
      const got = await call(mcp, "regional", { region: "eu" }, ask);
      expect([meta, got.status, got.body.error?.code]).toEqual([meta, 400, -32020]);
    }
  });

  test("a method that it does not know is not found, also where it says so in a stream", async () => {
    origin.sse = true;
    for (const method of ["acme/unknown", "completion/complete"]) {
      const got = await modern(mcp, method, {}, { id: "x" });
      expect([method, got.status, got.body.error.code, got.body.id]).toEqual([method, 404, -32601, "x"]);
    }
  });

  test.each([false, true])(
    "a page that the user has to visit first is a question back, in a stream: %s",
    async (sse) => {
      const error = { code: -32042, message: "Visit", data: { elicitations: [] } };
      origin.on("tools/call other", () => ({ error, sse }));
      const got = await call(mcp, "other");
      expect([got.status, codeOf(got)]).toEqual([200, "needs_session"]);
    },
  );

  test("logging is promised, for what it logs reaches modern callers", async () => {
    origin.on("initialize", ({ params }) => ({
      result: {
        protocolVersion: params.protocolVersion,
        capabilities: { tools: { listChanged: true }, logging: {}, tasks: {}, experimental: {} },
        serverInfo: { name: "fixture", version: "1" },
      },
    }));
    const got = await modern(mcp, "server/discover", {}, { headers: { "cache-control": "no-cache" } });
    expect(got.body.result.capabilities).toEqual({ tools: {}, logging: {} });
  });
});

describe("what is known of an origin", () => {
  const HOUR_MS = 3_600_000;
  /** What the replica has learnt so long ago of this test's origin. */
  const remember = async (eras: Record<string, unknown>, agoMs: number) => {
    const id = mcp.slice(mcp.lastIndexOf("/") + 1);
    const { identity } = resolve(replica.config).origins.get(id)!.settings;
    const at = Date.now() - agoMs;
    await replica.store.put(`era/${id}/${await digest(identity)}`, JSON.stringify({ ...eras, at, checkedAt: at }));
  };
  const LEGACY = { modern: false, legacy: "stateless", version: "2025-11-25" };
  const MODERN = { modern: true, legacy: "none" };

  test("is not asked for again within the hour", async () => {
    await remember(LEGACY, HOUR_MS / 2);
    for (let nth = 0; nth < 3; nth++) await modern(mcp, "tools/list");
    expect(origin.count("server/discover")).toBe(0);
    expect(origin.seen.filter(({ method, isModern }) => method === "tools/list" && isModern)).toEqual([]);
  });

  test("is asked for again after it, and then the origin is spoken to in the era that it has learnt", async () => {
    await remember(LEGACY, 2 * HOUR_MS);
    await modern(mcp, "tools/list");
    await until(
      () => call(mcp, "other"),
      () => origin.last("tools/call").isModern,
    );
    expect(origin.count("server/discover")).toBe(1);
  });

  test("is asked for again likewise where a legacy caller had to be translated", async () => {
    await remember(MODERN, 2 * HOUR_MS);
    await legacy(mcp, "tools/list");
    await until(
      () => legacyCall(mcp, "other"),
      () => !origin.last("tools/call").isModern,
    );
    expect(origin.count("initialize")).toBe(1);
  });

  test.each([
    ["a legacy origin", LEGACY, "legacy", modern],
    ["a modern origin", MODERN, "modern", legacy],
  ] as const)("is not changed by an outage at that time: %s", async (_, eras, speaks, ask) => {
    origin.eras = speaks;
    await remember(eras, 2 * HOUR_MS);
    const down = () => ({ status: 503, text: "<h1>down</h1>" });
    for (const method of ["server/discover", "initialize"]) origin.on(method, down);
    const callOther = () => ask(mcp, "tools/call", { name: "other", arguments: {} });
    await callOther();
    await until(
      () => origin.count("server/discover") + origin.count("initialize"),
      (count) => count > 0,
    );
    expect(said(await callOther())).toBe("other 2");
    expect(origin.last("tools/call").isModern).toBe(speaks === "modern");
  });

  test.each<["stateless" | "sessions", "opens" | "opens no", string, string | undefined, number]>([
    ["stateless", "opens", "tools/list", "needs_session", 200],
    ["sessions", "opens no", "server/discover", undefined, 200],
  ])("is asked for again likewise where it was %s, and now it %s sessions", async (before, _, method, code, status) => {
    origin.eras = "legacy";
    if (before === "sessions") makeStateful(origin);
    await modern(mcp, "server/discover");
    await remember({ ...LEGACY, legacy: before }, 2 * HOUR_MS);
    origin.reset();
    origin.eras = "legacy";
    if (before === "stateless") makeStateful(origin);
    // Elsewhere, where nothing newer is known of it.
    const elsewhere = mcp.replace(replica.urls[0]!, replica.urls[1]!);
    await until(
      () => modern(elsewhere, method),
      (got) => got.status === status && codeOf(got) === code,
    );
  });
});

test.each([
  ["in MCP's words", undefined],
  ["in words of its own", { status: 400, text: "No session", headers: { "content-type": "text/plain" } }],
])("an origin that comes to want sessions, and says so %s, is found out by what it refuses", async (_, refusal) => {
  origin.eras = "legacy";
  await modern(mcp, "server/discover");
  expect(said(await call(mcp, "other"))).toBe("other 1");
  makeStateful(origin);
  if (refusal) origin.inSession = () => refusal;
  await until(
    () => call(mcp, "other"),
    (got) => codeOf(got) === "needs_session",
  );
});

describe("an origin that refuses server/discover in words that are none of MCP's", () => {
  test.each<[number, string, string]>([
    [400, "text/plain", "Bad Request"],
    [400, "application/json", ""],
    [400, "application/json", '{"message":"no"}'],
    [404, "text/html", "<h1>Not found</h1>"],
    [405, "text/plain", ""],
    [406, "application/json", '{"jsonrpc":"2.0","error":{"code":-32000,"message":"Not Acceptable"},"id":null}'],
    [400, "application/json", '{"jsonrpc":"2.0","error":{"code":-32001,"message":"No session"},"id":null}'],
  ])("is asked to initialize, and told as what it is then: %s %s %s", async (status, type, text) => {
    origin.eras = "legacy";
    origin.on("server/discover", () => ({ status, text, headers: { "content-type": type } }));
    const got = await modern(mcp, "server/discover");
    expect([got.status, got.body.result?.supportedVersions]).toEqual([200, ["2026-07-28"]]);
  });

  test.each(["other", "shared"])("is found out by a first call as well: %s", async (name) => {
    origin.eras = "legacy";
    origin.on("server/discover", () => ({ status: 404, text: "" }));
    const { inSession } = origin;
    origin.inSession = (seen) => (seen.isModern ? { status: 404, text: "Not found" } : inSession?.(seen));
    const got = await call(mcp, name, {}, { id: "first" });
    expect([got.status, got.body.id, got.body.result?.resultType]).toEqual([200, "first", "complete"]);
    expect(origin.last("tools/call").isModern).toBe(false);
  });

  test("is not taken for a legacy one where that passes", async () => {
    const result = { supportedVersions: ["2026-07-28"], capabilities: { tools: {} }, ttlMs: 0, cacheScope: "private" };
    origin.on("server/discover", ({ nth }) =>
      nth === 1 ? { status: 404, text: "<h1>Soon</h1>", headers: { "content-type": "text/html" } } : { result },
    );
    const got = await modern(mcp, "server/discover");
    expect([got.status, got.body.result?.instructions, got.body.result?.capabilities]).toEqual([
      200,
      undefined,
      { tools: {} },
    ]);
    await call(mcp, "other");
    expect(origin.last("tools/call").isModern).toBe(true);
  });

  test("is not asked to initialize where the words are the modern revision's", async () => {
    const data = { supported: ["2027-01-01"], requested: "2026-07-28" };
    origin.on("server/discover", () => ({ status: 400, error: { code: -32022, message: "Unsupported", data } }));
    const got = await modern(mcp, "server/discover");
    expect([got.status, got.body.error?.code, origin.count("initialize")]).toEqual([400, -32022, 0]);
  });

  test("is taken for nothing where it does not initialize either", async () => {
    origin.on("server/discover", () => ({
      status: 400,
      text: "Bad Request",
      headers: { "content-type": "text/plain" },
    }));
    origin.on("initialize", () => ({ status: 503, text: "" }));
    const got = await modern(mcp, "server/discover");
    expect([got.status, codeOf(got)]).toEqual([200, "origin_invalid"]);
  });
});

describe("an origin that opens sessions", () => {
  beforeEach(async () => {
    makeStateful(origin);
    await modern(mcp, "server/discover");
  });

  test("what a modern client asks that never asked what it is, is refused in words that it can act on", async () => {
    const got = await call(mcp, "other", {}, { id: 7 });
    expect([got.status, got.body.id, got.body.result?.isError, codeOf(got)]).toEqual([200, 7, true, "needs_session"]);
    for (const method of ["tools/list", "completion/complete", "acme/unknown"]) {
      const got = await modern(mcp, method);
      expect([method, got.status, codeOf(got)]).toEqual([method, 200, "needs_session"]);
    }
    expect(origin.count("tools/call") + origin.count("tools/list") + origin.count("acme/unknown")).toBe(0);
  });

  test("what is kept for everybody is answered all the same", async () => {
    const session = (await initialize(mcp)).headers["mcp-session-id"]!;
    await legacyCall(mcp, "shared", {}, { headers: { "mcp-session-id": session } });
    const got = await call(mcp, "shared");
    expect([got.cache?.status, got.body.result.resultType]).toEqual(["hit", "complete"]);
  });

  test("what no modern server has is not found, and what is malformed is refused as such", async () => {
    expect((await modern(mcp, "ping")).status).toBe(404);
    const got = await modern(mcp, "tools/list", {}, { headers: { "mcp-method": "prompts/list" } });
    expect([got.status, got.body.error.code]).toEqual([400, -32020]);
  });
});

describe("an origin that is modern only", () => {
  beforeEach(async () => {
    origin.eras = "modern";
    await initialize(mcp);
  });

  test.each(["tools/call", "prompts/get"])("what %s would ask the client for is refused plainly", async (method) => {
    const data = { requiredCapabilities: { elicitation: {} } };
    origin.on(method, () => ({ status: 400, error: { code: -32021, message: "Missing capability", data } }));
    const got = await legacy(mcp, method, { name: "other" });
    expect([got.status, codeOf(got)]).toEqual([200, "needs_newer_client"]);
  });

  test("a batch is answered message by message", async () => {
    const messages = [
      { jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "other", arguments: {} } },
      { jsonrpc: "2.0", method: "notifications/initialized" },
      { jsonrpc: "2.0", id: 2, method: "ping" },
      { jsonrpc: "2.0", id: 3, method: "resources/subscribe", params: { uri: "x://1" } },
    ];
    const { accept, "content-type": type } = modernHeaders("ping") as Record<string, string>;
    const headers = { accept: accept!, "content-type": type!, "mcp-protocol-version": "2025-03-26" };
    const got = await send(mcp, { headers, body: JSON.stringify(messages) });
    const answers = JSON.parse(got.text) as any[];
    expect(answers.map(({ id, result, error }) => [id, result?.content?.[0].text ?? result ?? error.code])).toEqual([
      [1, "other 1"],
      [2, {}],
      [3, -32601],
    ]);
  });

  test("a modern request without an envelope is not taken for a legacy one", async () => {
    const headers = modernHeaders("tools/list");
    const body = JSON.stringify({ jsonrpc: "2.0", id: 5, method: "tools/list", params: {} });
    await send(mcp, { headers, body });
    expect(origin.last("tools/list").params).toEqual({});
  });

  test("an argument that it has come to want in a header is there when the legacy caller asks again", async () => {
    origin.tools = [tool("regional")];
    await legacyCall(mcp, "regional", { region: "eu" });
    origin.tools = [tool("regional", REGIONAL)];
    origin.on("tools/call", ({ headers }) =>
      headers["mcp-param-region"] === "eu"
        ? { result: { content: [] } }
        : { status: 400, error: { code: -32020, message: "Header mismatch" } },
    );
    expect((await legacyCall(mcp, "regional", { region: "eu" })).body.error?.code).toBe(-32020);
    expect((await legacyCall(mcp, "regional", { region: "eu" })).body.result).toBeDefined();
  });
});

test.each<[number, string]>([
  [400, "Bad Request"],
  [404, ""],
])("a modern-only origin that refuses to initialize with %s and %j is found out", async (status, text) => {
  origin.eras = "modern";
  origin.on("initialize", () => ({ status, text, headers: { "content-type": "text/plain" } }));
  const got = await initialize(mcp);
  expect([got.status, got.body.result?.protocolVersion]).toEqual([200, "2025-11-25"]);
  expect((await legacy(mcp, "tools/list")).body.result.tools).toHaveLength(2);
});

test("a modern caller is in no session, whatever its headers say", async () => {
  const got = await call(mcp, "other", {}, { headers: { "mcp-session-id": "made-up" } });
  expect(said(got)).toBe("other 1");
  expect(origin.last("tools/call").headers["mcp-session-id"]).toBeUndefined();
});

test("clients that know both eras connect to an origin that refuses in words of its own", async () => {
  origin.eras = "legacy";
  origin.on("server/discover", () => ({ status: 400, text: "Bad Request", headers: { "content-type": "text/plain" } }));
  for (const [name, connect] of CLIENTS) {
    const client = (await connect(mcp)) as any;
    expect([name, (await client.listTools()).tools.length]).toEqual([name, 2]);
    await client.close();
  }
});
