import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { Fixture, text, tool } from "./support/fixture.ts";
import { type Replica, startReplica } from "./support/replica.ts";
import { BOTH_FORMS, call, codeOf, type Got, modernBody, modernHeaders, said, send } from "./support/wire.ts";

const origin = new Fixture();
let replica: Replica;
const SECRET = "the cached answer";
const PARAMS = { name: "cached", arguments: { q: "x" } };
const REGION = {
  name: "regional",
  inputSchema: { type: "object", properties: { region: { type: "string", "x-mcp-header": "Region" } } },
};

beforeAll(async () => {
  await origin.start();
  origin.tools = [tool("cached"), REGION];
  const cache = { ttl: "10m", staleIfError: "1h" } as const;
  const o = {
    url: origin.url,
    lists: { defaultTtl: "10m" },
    tools: { cached: { cache }, regional: { cache } },
  } as const;
  replica = await startReplica({ origins: { o } });
  origin.on("tools/call", () => text(SECRET));
  await call(replica.mcp, "cached", PARAMS.arguments);
  await call(replica.mcp, "regional", { region: "eu" }, { headers: { "mcp-param-region": "eu" } });
});
beforeEach(() => {
  origin.reset();
  origin.on("tools/call", () => ({ status: 400, error: { code: -32020, message: "in the origin's own words" } }));
});
afterEach(() => origin.start().catch(() => {}));
afterAll(async () => {
  await replica?.close();
  await origin.stop();
});

interface Variant {
  headers?: Record<string, string | null>;
  /** Changes the message. */
  change?: (message: any) => void;
}

function sendVariant({ headers, change }: Variant): Promise<Got> {
  const message = JSON.parse(modernBody("tools/call", PARAMS));
  change?.(message);
  return send(replica.mcp, {
    headers: { ...modernHeaders("tools/call", PARAMS), ...headers },
    body: JSON.stringify(message),
  });
}

const VERSION = "io.modelcontextprotocol/protocolVersion";
const CAPABILITIES = "io.modelcontextprotocol/clientCapabilities";
const CLIENT = "io.modelcontextprotocol/clientInfo";
const LEVEL = "io.modelcontextprotocol/logLevel";

/** What is wrong, and the code with which the replica says so when the origin cannot. */
const WRONG: [what: string, code: number, variant: Variant][] = [
  ["no Mcp-Method", -32020, { headers: { "mcp-method": null } }],
  ["another Mcp-Method", -32020, { headers: { "mcp-method": "tools/list" } }],
  ["an Mcp-Method in capitals", -32020, { headers: { "mcp-method": "TOOLS/CALL" } }],
  ["no Mcp-Name", -32020, { headers: { "mcp-name": null } }],
  ["another Mcp-Name", -32020, { headers: { "mcp-name": "other" } }],
  ["a broken encoding of Mcp-Name", -32020, { headers: { "mcp-name": "=?base64?%%%?=" } }],
  ["no MCP-Protocol-Version", -32020, { headers: { "mcp-protocol-version": null } }],
  ["another MCP-Protocol-Version", -32020, { headers: { "mcp-protocol-version": "2025-11-25" } }],
  [
    "a version that nobody speaks",
    -32022,
    {
      headers: { "mcp-protocol-version": "2099-01-01" },
      change: ({ params }) => (params._meta[VERSION] = "2099-01-01"),
    },
  ],
  ["no envelope", -32602, { change: ({ params }) => delete params._meta }],
  ["no capabilities", -32602, { change: ({ params }) => delete params._meta[CAPABILITIES] }],
  ["capabilities that are no object", -32602, { change: ({ params }) => (params._meta[CAPABILITIES] = []) }],
  ["a version that is no text", -32602, { change: ({ params }) => (params._meta[VERSION] = 20260728) }],
  ["a capability that is no object", -32602, { change: ({ params }) => (params._meta[CAPABILITIES].roots = 7) }],
  ["a client without a name", -32602, { change: ({ params }) => (params._meta[CLIENT] = {}) }],
  ["a level of the log that there is not", -32602, { change: ({ params }) => (params._meta[LEVEL] = "loud") }],
];

/** Perfectly valid, but not the request whose answer is kept. */
const OTHER: [what: string, variant: Variant][] = [
  ["a vendor's _meta", { change: ({ params }) => (params._meta["acme/tenant"] = "b") }],
  ["a locale in _meta", { change: ({ params }) => (params._meta["openai/locale"] = "fr") }],
  ["a task", { change: ({ params }) => (params.task = { ttl: 60_000 }) }],
  ["inputResponses", { change: ({ params }) => (params.inputResponses = {}) }],
  ["a requestState", { change: ({ params }) => (params.requestState = "opaque") }],
  ["an unknown member of params", { change: ({ params }) => (params.more = 1) }],
  ["an Accept of one form only", { headers: { accept: "application/json" } }],
];

test("the answer that the others must not get is there", async () => {
  const got = await sendVariant({});
  expect([got.cache?.status, said(got)]).toEqual(["hit", SECRET]);
});

test("a session id, which the modern revision passes over, changes nothing", async () => {
  const got = await sendVariant({ headers: { "mcp-session-id": "s" } });
  expect([got.cache?.status, said(got)]).toEqual(["hit", SECRET]);
});

describe.each(WRONG)("a call of a cached key with %s", (_, code, variant) => {
  test("goes to the origin, whose own error comes back", async () => {
    const got = await sendVariant(variant);
    expect([got.status, got.body.error]).toEqual([400, { code: -32020, message: "in the origin's own words" }]);
    expect(origin.count("tools/call")).toBe(1);
    expect(got.text).not.toContain(SECRET);
  });

  test("is refused in the replica's words while the origin is down", async () => {
    await origin.stop();
    const got = await sendVariant(variant);
    expect([got.status, got.body?.error?.code]).toEqual([400, code]);
    expect(got.body).toMatchObject({
      jsonrpc: "2.0",
      id: 1,
      error: { message: expect.stringMatching(/\w/) as string },
    });
    expect(codeOf(got)).toMatch(/^[a-z_]+$/);
    expect(got.text).not.toContain(SECRET);
  });
});

describe.each(OTHER)("a call of a cached key with %s", (_, variant) => {
  test("goes to the origin as it came", async () => {
    const got = await sendVariant(variant);
    expect(got.body.error.message).toBe("in the origin's own words");
    const message = JSON.parse(modernBody("tools/call", PARAMS));
    variant.change?.(message);
    expect(JSON.parse(origin.last("tools/call").text)).toEqual(message);
  });

  test("is not answered from the cache while the origin is down", async () => {
    await origin.stop();
    const got = await sendVariant(variant);
    expect([got.status, codeOf(got)]).toEqual([200, "origin_unavailable"]);
    expect(got.text).not.toContain(SECRET);
  });
});

test.each<[what: string, change: (message: any) => void]>([
  ["an unknown member of the message itself", (message) => (message.more = 1)],
  ["a progress token that is an object", ({ params }) => (params._meta.progressToken = {})],
  ["a progress token that is a fraction", ({ params }) => (params._meta.progressToken = 1.5)],
])("%s is refused: it is not JSON-RPC", async (_, change) => {
  const got = await sendVariant({ change });
  expect([got.status, got.body.error.code, codeOf(got)]).toEqual([400, -32600, "jsonrpc_shape"]);
});

test("an unsupported version is told the versions that are", async () => {
  await origin.stop();
  const got = await sendVariant(WRONG.find(([what]) => what.startsWith("a version that nobody"))![2]);
  expect(got.body.error.data).toMatchObject({ supported: ["2026-07-28"], requested: "2099-01-01" });
});

test("an encoded Mcp-Name that says the same is a hit", async () => {
  const encoded = `=?base64?${Buffer.from("cached").toString("base64")}?=`;
  expect((await sendVariant({ headers: { "mcp-name": encoded } })).cache?.status).toBe("hit");
});

test("keys that only observe do not keep a call from the cache", async () => {
  const got = await sendVariant({
    change: ({ params }) =>
      Object.assign(params._meta, {
        traceparent: `00-${"a".repeat(32)}-${"b".repeat(16)}-01`,
        "claudecode/toolUseId": "1",
        "vscode.requestId": "2",
        "openai/userAgent": "3",
        "io.modelcontextprotocol/logLevel": "debug",
        progressToken: 7,
      }),
  });
  expect(got.cache?.status).toBe("hit");
});

describe("Mcp-Param headers of a tool that declares them", () => {
  const ask = (headers: Record<string, string>) => call(replica.mcp, "regional", { region: "eu" }, { headers });

  test("that agree with the arguments are a hit", async () => {
    expect((await ask({ "mcp-param-region": "eu" })).cache?.status).toBe("hit");
    const encoded = `=?base64?${Buffer.from("eu").toString("base64")}?=`;
    expect((await ask({ "mcp-param-region": encoded })).cache?.status).toBe("hit");
  });

  const BAD: [string, Record<string, string>][] = [
    ["differ", { "mcp-param-region": "us" }],
    ["are missing", {}],
    ["are not decodable", { "mcp-param-region": "=?base64?%%%?=" }],
  ];

  test.each(BAD)("that %s send the call to the origin", async (_, headers) => {
    expect((await ask(headers)).body.error.message).toBe("in the origin's own words");
    expect(origin.last("tools/call").headers["mcp-param-region"]).toBe(headers["mcp-param-region"]);
  });

  test.each(BAD)("that %s are refused while the origin is down", async (_, headers) => {
    await ask({ "mcp-param-region": "eu" });
    await origin.stop();
    const dead = await ask(headers);
    expect([dead.status, dead.body.error?.code, codeOf(dead)]).toEqual([400, -32020, "header"]);
    expect(dead.text).not.toContain(SECRET);
  });

  test("that no argument answers for reach the origin, and the answer is the caller's alone", async () => {
    origin.on("tools/call", ({ headers }) => text(`from ${headers["mcp-param-more"]}`));
    for (const more of ["a", "b"]) {
      const got = await call(replica.mcp, "cached", { stray: 1 }, { headers: { "mcp-param-more": more } });
      expect(said(got)).toBe(`from ${more}`);
    }
  });
});

describe("a text that two readers may understand differently", () => {
  const meta = JSON.parse(modernBody("tools/call")).params._meta;
  const raw = (args: string, name = '"name":"cached"') =>
    `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{${name},"arguments":${args},"_meta":${JSON.stringify(meta)}}}`;
  const post = (body: string) => send(replica.mcp, { headers: modernHeaders("tools/call", PARAMS), body });

  const TEXTS: [string, string][] = [
    ["two names", raw('{"q":"x"}', '"name":"cached","name":"cached"')],
    ["two names, one in an escaped spelling", raw('{"q":"x"}', '"name":"cached","n\\u0061me":"cached"')],
    ["two arguments of one name", raw('{"q":"y","q":"x"}')],
    ["two keys of one name deep inside", raw('{"q":"x","deep":[{"a":{"b":1,"b":1}}]}')],
    ["an integer beyond 2^53", raw('{"q":9007199254740993}')],
    ["a number beyond every double", raw('{"q":1e400}')],
    ["a fraction that no double holds", raw('{"q":0.1000000000000000055}')],
    ["odd white space and escapes besides", raw('{ "q" : 9007199254740993 ,\t"e":"\\u00e9\\/" }\n')],
  ];

  test.each(TEXTS)("(%s) is relayed byte for byte, each time, and never kept", async (_, body) => {
    origin.on("tools/call", ({ nth }) => text(`answer ${nth}`));
    for (let nth = 1; nth <= 2; nth++) {
      const got = await post(body);
      expect([said(got), got.cache]).toEqual([`answer ${nth}`, undefined]);
      expect(origin.last("tools/call").text).toBe(body);
    }
  });

  test.each(TEXTS)("(%s) is not answered from the cache while the origin is down", async (_, body) => {
    await origin.stop();
    const got = await post(body);
    expect(codeOf(got)).toBe("origin_unavailable");
    expect(got.text).not.toContain(SECRET);
  });

  test("is not answered with what is kept for the number that a double makes of it", async () => {
    origin.on("tools/call", ({ nth }) => text(`answer ${nth}`));
    expect((await post(raw('{"n":9007199254740991}'))).cache?.status).toBe("miss");
    expect((await post(raw('{"n":9007199254740991}'))).cache?.status).toBe("hit");
    expect((await post(raw('{"n":9007199254740991.2}'))).cache).toBeUndefined();
    expect((await post(raw('{"n":9007199254740991.0}'))).cache?.status).toBe("hit");
  });
});

test("a legacy call with the headers of another revision is not answered from the cache", async () => {
  const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/call", params: PARAMS });
  const headers = { accept: BOTH_FORMS, "content-type": "application/json", "mcp-protocol-version": "2024-01-01" };
  const got = await send(replica.mcp, { headers, body });
  expect(got.body.error.message).toBe("in the origin's own words");
});
