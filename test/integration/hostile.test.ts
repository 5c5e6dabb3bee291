import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { Fixture, type Seen, text, tool } from "./support/fixture.ts";
import { bearer, makeKey, PEPPER } from "./support/keys.ts";
import { type Replica, startReplica, stored } from "./support/replica.ts";
import { call, codeOf, type Got, initialize, legacy, legacyCall, modern, modernBody } from "./support/wire.ts";
import { modernHeaders, type Params, said, send } from "./support/wire.ts";

type Caller = { headers: Record<string, string> };

const DAY_S = 86_400;
const CODES = [-32_020, -31_000, -32_603];
const origin = new Fixture();
let raw: Server;
let replica: Replica;
let ann: Caller;
let bob: Caller;

beforeAll(async () => {
  await origin.start();
  raw = createServer((request, response) => {
    let body = "";
    request.on("data", (part) => (body += part));
    request.on("end", () => {
      const { id, method } = JSON.parse(body);
      response.writeHead(200, { "content-type": "application/json" });
      const start = `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":{"resultType":"complete",`;
      if (method !== "tools/call") response.end(`${start}"tools":[]}}`);
      else response.end(Buffer.concat([Buffer.from(`${start}"content":[{"type":"text","text":"`), BAD, END]));
    });
  });
  await new Promise<void>((resolve) => raw.listen(0, "127.0.0.1", resolve));
  const region = { type: "object", properties: { region: { type: "string", "x-mcp-header": "Region" } } };
  origin.tools = [
    tool("get_x", { annotations: { readOnlyHint: true } }),
    tool("t"),
    tool("declares", { inputSchema: region }),
  ];
  const lists = { defaultTtl: "5m", staleIfError: "7d" } as const;
  const shared = { cache: { ttl: "10m", scope: "public" } } as const;
  const { url } = origin;
  replica = await startReplica(
    {
      origins: {
        o: {
          url,
          lists,
          tools: { t: shared, declares: shared, "get_*": { cache: { ttl: "10m", staleIfError: "1d" } } },
        },
        secretive: { url, lists, tools: { t: shared } },
        old: { url, lists, tools: { t: shared } },
        ...Object.fromEntries(CODES.map((code) => [`code${-code}`, { url, lists, tools: { t: shared } }])),
        ...Object.fromEntries(
          ["refusing", "relaying", "telling", "fussy", "gruff"].map((id) => [id, { url, lists, tools: { t: shared } }]),
        ),
        raw: { url: `http://127.0.0.1:${(raw.address() as AddressInfo).port}/mcp`, tools: { t: shared } },
      },
      access: { keys: true },
    },
    { vars: { KEY_PEPPER: PEPPER } },
  );
  [ann, bob] = [bearer((await makeKey(replica)).key), bearer((await makeKey(replica)).key)];
});
beforeEach(() => origin.reset());
afterAll(async () => {
  await replica?.close();
  await origin.stop();
  raw.closeAllConnections();
  raw.close();
});

const BAD = Buffer.from([0xff, 0xe9]);
const END = Buffer.from(`"}]}}`);
const at = (id: string) => `${replica.url}/mcp/${id}`;
const statusOf = ({ cache }: Got) => cache?.status;
const down = () => ["tools/list", "tools/call"].forEach((method) => origin.on(method, () => ({ status: 503 })));

test("however many ask at once whether the replica is ready, each origin is asked once", async () => {
  let open: () => void = () => {};
  const passed = new Promise<void>((resolve) => (open = resolve));
  origin.on("server/discover", async () => {
    await passed;
    return { result: {} };
  });
  const answers = Promise.all(Array.from({ length: 50 }, () => send(`${replica.url}/readyz`, { method: "GET" })));
  const probed = replica.config.origins;
  const ofFixture = Object.values(probed).filter(({ url }) => url === origin.url).length;
  await expect.poll(() => origin.count("server/discover")).toBe(ofFixture);
  open();
  for (const { status } of await answers) expect(status).toBe(200);
  expect(origin.count("server/discover")).toBe(ofFixture);
});

describe("one caller's mistake costs another nothing, when the origin then fails:", () => {
  beforeEach(async () => {
    for (let nth = 0; nth < 2; nth++) {
      await call(at("o"), "get_x", {}, ann);
      await modern(at("o"), "tools/list", {}, ann);
    }
  });
  const unharmed = async () => {
    down();
    const list = await modern(at("o"), "tools/list", {}, ann);
    expect([codeOf(list), list.body.result?.tools]).toEqual([undefined, origin.tools]);
    expect(statusOf(await call(at("o"), "get_x", {}, ann))).toBe("hit");
  };

  test("a name in the header that is not the one in the body", async () => {
    origin.on("tools/call", () => ({ status: 400, error: { code: -32_020, message: "Header mismatch" } }));
    const headers = { ...bob.headers, "mcp-name": "other" };
    expect((await call(at("o"), "get_x", {}, { headers })).body.error.code).toBe(-32_020);
    await unharmed();
  });

  test("a declared header that contradicts the argument", async () => {
    origin.on("tools/call", () => ({ status: 400, error: { code: -32_020, message: "Header mismatch" } }));
    const headers = { ...bob.headers, "mcp-param-region": "eu" };
    expect((await call(at("o"), "declares", { region: "us" }, { headers })).body.error.code).toBe(-32_020);
    await unharmed();
  });

  test.each([
    ["a header that no argument answers for", call, { "mcp-param-stray": "eu" }],
    ["a legacy call that is told of headers", legacyCall, {}],
  ])("%s", async (_, ask, more) => {
    origin.on("tools/call", () => ({ status: 400, error: { code: -32_020, message: "Header mismatch" } }));
    const headers = { ...bob.headers, ...more };
    expect((await ask(at("o"), "get_x", { stray: 1 }, { headers })).body.error.code).toBe(-32_020);
    await unharmed();
  });

  test("a cursor that nobody gave out", async () => {
    origin.on("tools/list", ({ params }) =>
      params.cursor ? { error: { code: -32_602, message: "Invalid cursor" } } : { result: { tools: origin.tools } },
    );
    expect((await modern(at("o"), "tools/list", { cursor: "x" }, bob)).body.error.code).toBe(-32_602);
    await unharmed();
  });
});

describe("a question what the origin is, with capabilities that it refuses,", () => {
  const REFUSED = { capabilities: { extensions: { "com.example/x": 7 } } };
  const isModern = () => origin.last("tools/call").isModern;

  test.each([
    ["asked through a flight", false],
    ["relayed", true],
  ])("does not make it one of the earlier revisions for others (%s)", async (how, relays) => {
    const id = relays ? "relaying" : "refusing";
    await call(at(id), "other", {}, ann);
    expect(isModern()).toBe(true);
    if (relays) {
      // After an answer that nobody can share, everybody asks for himself.
      origin.on("server/discover", () => ({ status: 400, error: { code: -32_603, message: "Not now" } }));
      await modern(at(id), "server/discover", {}, { headers: { ...bob.headers, "cache-control": "no-cache" } });
    }
    origin.on("server/discover", ({ params }) =>
      Object.keys(params._meta["io.modelcontextprotocol/clientCapabilities"]).length > 0
        ? { status: 400, error: { code: -32_602, message: "Invalid params" } }
        : { result: { supportedVersions: ["2026-07-28"], capabilities: {}, ttlMs: 0, cacheScope: "private" } },
    );
    const got = await modern(at(id), "server/discover", {}, { ...bob, ...REFUSED });
    expect(got.body.error?.code).toBe(relays ? -32_602 : undefined);
    await call(at(id), "other", { how }, ann);
    expect(isModern()).toBe(true);
  });
});

test("of capabilities that are not in the key the origin is not told where many get its answer", async () => {
  const declared = ({ params }: Seen) => params._meta["io.modelcontextprotocol/clientCapabilities"];
  const extensions = { "com.example/ui": {} };
  const ask = { ...ann, capabilities: { elicitation: {}, extensions } };
  await modern(at("telling"), "server/discover", {}, ask);
  expect(declared(origin.last("server/discover"))).toEqual({});
  await modern(at("telling"), "prompts/list", {}, ask);
  expect(declared(origin.last("prompts/list"))).toEqual({ extensions });
  await call(at("telling"), "t", {}, ask);
  expect(declared(origin.last("tools/call"))).toEqual(ask.capabilities);
});

describe("a header that is not in the key does not reach an answer that others get:", () => {
  const stray = { "mcp-param-region": "evil" };
  const trace = { baggage: "a=evil", tracestate: "a=evil", "last-event-id": "evil" };
  const progress = { meta: { progressToken: 1 } };
  test.each([
    ["a stray parameter", call, stray, {}],
    ["a stray parameter of a caller who wants progress", call, stray, progress],
    ["a stray parameter of a legacy caller", legacyCall, stray, {}],
    ["a stray parameter of a legacy caller who wants progress", legacyCall, stray, progress],
    ["what belongs to a trace or a stream", call, trace, {}],
    ["the same of a caller who wants progress", call, trace, progress],
    ["the same of a legacy caller who wants progress", legacyCall, trace, progress],
  ])("%s", async (what, ask, headers, more) => {
    origin.on("tools/call t", ({ headers: got }) => text(Object.values(got).join().includes("evil") ? "evil" : "good"));
    const params: Params = { what };
    expect((await ask(at("o"), "t", params, { headers: { ...bob.headers, ...headers }, ...more })).status).toBe(200);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(said(await call(at("o"), "t", params, ann))).toBe("good");
  });

  test("a declared parameter that a legacy caller sends", async () => {
    origin.on("tools/call declares", ({ headers }) => text(`${headers["mcp-param-region"]}`));
    await legacyCall(at("o"), "declares", { region: "us" }, { headers: { ...bob.headers, ...stray } });
    const headers = { ...ann.headers, "mcp-param-region": "us" };
    expect(said(await call(at("o"), "declares", { region: "us" }, { headers }))).toBe("us");
  });
});

test("an answer that is not UTF-8 passes as it was sent, and is not kept", async () => {
  const params = { name: "t", arguments: {} };
  const ask = async (): Promise<Buffer> => {
    const response = await fetch(at("raw"), {
      method: "POST",
      headers: { ...modernHeaders("tools/call", params), ...ann.headers },
      body: modernBody("tools/call", params, { meta: { progressToken: 1 } }),
    });
    return Buffer.from(await response.arrayBuffer());
  };
  for (let nth = 0; nth < 2; nth++) expect((await ask()).includes(Buffer.concat([BAD, END]))).toBe(true);
  expect(await stored(replica, "tools/call", "raw")).toEqual([]);
});

describe("whether an origin is legacy-only", () => {
  const records = async (id: string) => {
    const { keys } = await replica.store.list({ prefix: `era/${id}/` });
    return keys as { name: string; expiration?: number }[];
  };

  test("is known for longer than its answer to initialize is kept", async () => {
    origin.eras = "legacy";
    await legacyCall(at("old"), "t", {}, ann);
    await expect.poll(() => records("old")).toHaveLength(1);
    const [{ expiration } = {}] = await records("old");
    expect(expiration! - Date.now() / 1_000).toBeGreaterThan(8 * DAY_S);
  });

  test.each(CODES)("is not said by the error %i", async (code) => {
    const id = `code${-code}`;
    origin.on("server/discover", () => ({ status: 400, error: { code, message: "Not now" } }));
    await legacyCall(at(id), "t", {}, ann);
    // The one is looked after when the other is done.
    await expect.poll(() => stored(replica, "initialize", id)).toHaveLength(1);
    expect(origin.count("server/discover")).toBe(1);
    // That it has an earlier one is known; of the modern one nothing is.
    const [record] = await Promise.all((await records(id)).map(({ name }) => replica.store.get(name)));
    expect(JSON.parse(record!)).toEqual(expect.not.objectContaining({ modern: expect.anything() }));
    expect(JSON.parse(record!)).toMatchObject({ legacy: "stateless" });
  });
});

describe("initialize", () => {
  const params = { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "x", version: "1" } };

  test("in an envelope of the modern revision is the origin's to refuse", async () => {
    await initialize(at("secretive"), "2025-11-25", ann);
    origin.on("initialize", () => ({ status: 404, error: { code: -32_601, message: "Method not found" } }));
    const got = await modern(at("secretive"), "initialize", params, ann);
    expect([got.status, got.body.error.code]).toEqual([404, -32_601]);
    origin.on("initialize", () => "reset");
    expect((await modern(at("secretive"), "initialize", params, ann)).body.result).toBeUndefined();
    expect(origin.seen.filter(({ method, isModern }) => method === "initialize" && isModern)).toHaveLength(2);
  });

  test.each([
    ["fussy", { status: 400, error: { code: -32_602, message: "Invalid params" } }],
    ["gruff", { status: 400, text: "Bad Request", headers: { "content-type": "text/plain" } }],
  ])(
    "that an origin refuses for its words, be it a %s one, says nothing of how others are served",
    async (id, refusal) => {
      const usual = {
        protocolVersion: "2025-11-25",
        capabilities: { tools: {} },
        serverInfo: { name: "f", version: "1" },
      };
      origin.on("initialize", ({ params: sent }) => (sent.clientInfo ? { result: usual } : refusal));
      await legacy(at(id), "initialize", { ...params, clientInfo: undefined }, ann);
      expect((await initialize(at(id), "2025-11-25", bob)).body.result.serverInfo.name).toBe("f");
      await legacyCall(at(id), "t", {}, bob);
      expect(origin.last("tools/call").isModern).toBe(false);
    },
  );

  test("with an invented version leaves nothing in KV, and opens a connection all the same in an outage", async () => {
    await initialize(at("secretive"), "2025-11-25", ann);
    await expect.poll(() => stored(replica, "initialize", "secretive")).toHaveLength(1);
    const invented = Array.from({ length: 20 }, (_, nth) => `version-${nth}`);
    await Promise.all(invented.map((version) => initialize(at("secretive"), version, ann)));
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(await stored(replica, "initialize", "secretive")).toHaveLength(1);
    origin.on("initialize", () => "reset");
    const got = await initialize(at("secretive"), "version-1", ann);
    expect([statusOf(got), got.body.result?.protocolVersion]).toEqual(["stale", "2025-11-25"]);
  });
});

describe("a path that there is not", () => {
  test("is refused to a page of another host", async () => {
    const got = await send(replica.url, { method: "GET", headers: { host: "evil.example" } });
    expect(got.status).toBe(403);
    expect(got.text).not.toContain("secretive");
  });

  test.each(["/", "/mcp/none", "/nothing/here"])("names no origin to who has no key: %s", async (path) => {
    for (const method of ["GET", "POST"]) {
      const got = await send(`${replica.url}${path}`, { method });
      expect(got.status).toBeGreaterThanOrEqual(400);
      expect(got.text).not.toContain("secretive");
    }
  });
});
