import { once } from "node:events";
import { connect } from "node:net";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { Fixture, tool } from "./support/fixture.ts";
import { type Replica, startReplica } from "./support/replica.ts";
import {
  call,
  codeOf,
  type Got,
  legacy,
  legacyCall,
  modern,
  modernBody,
  modernHeaders,
  send,
  type Sent,
} from "./support/wire.ts";

const origin = new Fixture();
let replica: Replica;
const PARAMS = { name: "cached", arguments: {} };
const HEADERS = modernHeaders("tools/call", PARAMS);

beforeAll(async () => {
  await origin.start();
  origin.tools = [tool("cached")];
  replica = await startReplica({
    origins: { o: { url: origin.url, tools: { cached: { cache: { ttl: "10m" } } } } },
    limits: { body: "64KB" },
    hosts: ["replica.example.com"],
  });
  await call(replica.mcp, "cached");
});
beforeEach(() => origin.reset());
afterEach(async () => {
  const later = await call(replica.mcp, "cached");
  expect([later.status, later.cache?.status]).toEqual([200, "hit"]);
});
afterAll(async () => {
  await replica?.close();
  await origin.stop();
});

const post = (sent: Sent) => send(replica.mcp, { ...sent, headers: { ...HEADERS, ...sent.headers } });

/** An error as the replica words it: HTTP status, JSON-RPC code, `data.code`. */
function expectError(got: Got, status: number, rpcCode: number, code: string): void {
  expect([got.status, got.body?.error?.code, codeOf(got)]).toEqual([status, rpcCode, code]);
  expect(got.headers["content-type"]).toBe("application/json");
  expect(got.body).toMatchObject({
    jsonrpc: "2.0",
    error: { message: expect.stringMatching(/\w \w/) as string, data: { correlationId: expect.any(String) as string } },
  });
  expect(got.cache).toBeUndefined();
  expect(origin.count("tools/call")).toBe(0);
}

test.each([
  ["nothing at all", ""],
  ["half of a message", '{"jsonrpc":"2.0","id":1'],
  ["two messages", `${modernBody("tools/call", PARAMS)}${modernBody("tools/call", PARAMS)}`],
  ["a byte order mark", `\ufeff${modernBody("tools/call", PARAMS)}`],
  ["words", "hello"],
])("a body of %s is not JSON", async (_, body) => {
  expectError(await post({ body }), 400, -32700, "not_json");
});

test("a body that is not UTF-8 is not JSON", async () => {
  const [before, after] = modernBody("tools/call", { name: "cached", arguments: { q: "#" } }).split("#");
  const body = Buffer.concat([Buffer.from(before!), Buffer.from([0xff, 0xfe]), Buffer.from(after!)]);
  expectError(await post({ body }), 400, -32700, "not_json");
});

test.each([
  ["two", [modernBody("tools/call", PARAMS), modernBody("tools/call", PARAMS)]],
  ["one", [modernBody("tools/call", PARAMS)]],
  ["no", []],
])("a batch of %s is refused", async (_, messages) => {
  expectError(await post({ body: `[${messages.join()}]` }), 400, -32600, "jsonrpc_shape");
});

test.each(["text/plain", "application/jsonp", "application/json-patch+json", null])(
  "a body of the type %s is refused",
  async (type) => {
    const sent = { body: modernBody("tools/call", PARAMS), headers: { "content-type": type } };
    expectError(await post(sent), 415, -32600, "unsupported_media_type");
  },
);

test("a content type with parameters is JSON as well", async () => {
  const headers = { "content-type": "Application/JSON ; charset=utf-8" };
  expect((await post({ body: modernBody("tools/call", PARAMS), headers })).cache?.status).toBe("hit");
});

describe("a body that is too large", () => {
  const body = modernBody("tools/call", { name: "cached", arguments: { q: "x".repeat(66_000) } });

  test("is refused by its stated length", async () => {
    expectError(await post({ body }), 413, -32600, "body_too_large");
  });

  test("is refused as it comes, where no length is stated", async () => {
    const chunks = body.match(/.{1,8000}/gs)!;
    expectError(await post({ chunks }), 413, -32600, "body_too_large");
  });

  test("is refused as it comes, where a length is stated that does not count", async () => {
    // A body in chunks ends with the last of them, whatever length is stated (RFC 9112, 6.3).
    const head = {
      ...HEADERS,
      host: new URL(replica.url).host,
      "content-length": "10",
      "transfer-encoding": "chunked",
    };
    const { port, hostname } = new URL(replica.url);
    const socket = connect(Number(port), hostname);
    socket.write(
      `POST /mcp HTTP/1.1\r\n${Object.entries(head)
        .map(([name, value]) => `${name}: ${value}\r\n`)
        .join("")}\r\n`,
    );
    // The end never comes.
    for (const chunk of body.match(/.{1,8000}/gs)!) socket.write(`${chunk.length.toString(16)}\r\n${chunk}\r\n`);
    const [answer] = (await once(socket, "data")) as [Buffer];
    expect(answer.toString()).toMatch(/^HTTP\/1.1 4(13|00) /);
    socket.destroy();
  });

  test("is one that exceeds the limit, counted in bytes", async () => {
    const fits = modernBody("tools/call", { name: "cached", arguments: { q: "x".repeat(65_000) } });
    expect((await post({ body: fits })).cache?.status).toBe("miss");
    origin.reset();
    const wide = modernBody("tools/call", { name: "cached", arguments: { q: "€".repeat(30_000) } });
    expectError(await post({ chunks: [wide] }), 413, -32600, "body_too_large");
  });
});

test.each([
  ["arrays", `${"[".repeat(3_000)}${"]".repeat(3_000)}`],
  ["objects", `${'{"a":'.repeat(3_000)}1${"}".repeat(3_000)}`],
  ["objects that never close", '{"a":'.repeat(3_000)],
])("3,000 levels of %s are refused", async (_, deep) => {
  const body = modernBody("tools/call", { name: "cached", arguments: { q: "#" } }).replace('"#"', deep);
  expectError(await post({ body }), 400, -32600, "too_deep");
  const plain = { jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "cached", arguments: { q: "#" } } };
  const old = await send(replica.mcp, {
    headers: { ...HEADERS, "mcp-protocol-version": "2025-11-25" },
    body: JSON.stringify(plain).replace('"#"', deep),
  });
  expectError(old, 400, -32600, "too_deep");
});

describe("a message of wrong types", () => {
  const wrong = (change: (message: any) => void) => {
    const message = JSON.parse(modernBody("tools/call", PARAMS));
    change(message);
    return JSON.stringify(message);
  };

  test.each([
    ["that is text", '"tools/call"'],
    ["that is a number", "7"],
    ["that is null", "null"],
    ["with no version of JSON-RPC", wrong((message) => delete message.jsonrpc)],
    ["with another version of JSON-RPC", wrong((message) => (message.jsonrpc = "1.0"))],
    ["whose method is a number", wrong((message) => (message.method = 7))],
    ["whose params are an array", wrong((message) => (message.params = ["cached"]))],
    ["whose params are text", wrong((message) => (message.params = "cached"))],
    ["whose id is an object", wrong((message) => (message.id = {}))],
    ["whose id is null", wrong((message) => (message.id = null))],
    ["whose id is a fraction", wrong((message) => (message.id = 1.5))],
    ["whose id is a boolean", wrong((message) => (message.id = true))],
    ["without a method or a result", '{"jsonrpc":"2.0","id":1}'],
  ])("%s is refused: it is no JSON-RPC", async (_, body) => {
    expectError(await post({ body }), 400, -32600, "jsonrpc_shape");
  });

  test.each([
    ["a name that is a number", wrong(({ params }) => (params.name = 7))],
    ["no name", wrong(({ params }) => delete params.name)],
    ["arguments that are an array", wrong(({ params }) => (params.arguments = []))],
    ["arguments that are text", wrong(({ params }) => (params.arguments = "{}"))],
    ["arguments that are null", wrong(({ params }) => (params.arguments = null))],
  ])("(%s) is the origin's to judge", async (_, body) => {
    origin.on("tools/call", () => ({ error: { code: -32602, message: "the origin judges" } }));
    const got = await post({ body });
    expect([got.status, got.body.error]).toEqual([200, { code: -32602, message: "the origin judges" }]);
    expect(origin.last("tools/call").text).toBe(body);
  });
});

test.each(["__proto__", "constructor", "toString", "hasOwnProperty"])(
  "a method, tool, resource or argument by the name %s is one like any other",
  async (name) => {
    expect((await modern(replica.mcp, name)).body.error.code).toBe(-32601);
    expect((await legacy(replica.mcp, name)).body.error.code).toBe(-32601);
    expect((await call(replica.mcp, name)).body.result.content[0].text).toBe(`${name} 1`);
    const uri = name;
    expect((await modern(replica.mcp, "resources/read", { uri })).body.result.contents[0].uri).toBe(name);
    const args = JSON.parse(`{"${name}":{"ttlMs":1}}`);
    expect((await call(replica.mcp, "cached", args)).cache?.status).toBe("miss");
    expect((await legacyCall(replica.mcp, "cached", args)).cache?.status).toBe("hit");
  },
);

test.each(["/", "/nope", "/mcp/nope", "/mcp/o/more", "/mcp/__proto__", "/MCP"])(
  "the path %s names nothing, and the answer names what there is",
  async (path) => {
    const got = await send(`${replica.url}${path}`, { headers: HEADERS, body: modernBody("tools/call", PARAMS) });
    expectError(got, 404, -32600, "not_found");
    // Only who has been let in learns the names of origins.
    expect(got.body.error.message).toContain(/^\/mcp\/[^/]+$/.test(path) ? "/mcp/o" : "/mcp/<origin>");
  },
);

test.each(["GET", "DELETE", "PUT", "PATCH", "OPTIONS"])("%s without a session is refused", async (method) => {
  const got = await send(replica.mcp, { method, headers: { accept: "text/event-stream" } });
  expectError(got, 405, -32600, "method_not_allowed");
  expect(got.headers["allow"]).toBe("POST");
});

describe("a page of another site", () => {
  const body = modernBody("tools/call", PARAMS);

  test.each(["https://evil.example", "http://replica.example.com.evil.example", "null", "not a URL"])(
    "(%s) is refused",
    async (page) => {
      expectError(await post({ body, headers: { origin: page } }), 403, -32600, "origin_not_allowed");
    },
  );

  test.each(["http://localhost:3000", "http://127.0.0.1", "https://replica.example.com"])(
    "is not one from %s",
    async (page) => {
      expect((await post({ body, headers: { origin: page } })).cache?.status).toBe("hit");
    },
  );
});

test.each(["evil.example", "localhost.evil.example", "127.0.0.1.nip.io", "10.0.0.1"])(
  "a request for the host %s is refused",
  async (host) => {
    const got = await post({ body: modernBody("tools/call", PARAMS), headers: { host } });
    expectError(got, 403, -32600, "host_not_served");
  },
);
