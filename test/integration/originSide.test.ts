import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { Fixture, type Reply, text, tool } from "./support/fixture.ts";
import { type Replica, startReplica } from "./support/replica.ts";
import {
  call,
  codeOf,
  type Got,
  initialize,
  legacy,
  legacyCall,
  modern,
  modernBody,
  modernHeaders,
  said,
} from "./support/wire.ts";

const origin = new Fixture();
const elsewhere = new Fixture();
let replica: Replica;
const SECRETS = { TOKEN: "s3cret-token-of-the-origin", API_KEY: "s3cret-key-of-the-origin" };
const at = (id: string) => `${replica.url}/mcp/${id}`;
const told: string[] = [];

beforeAll(async () => {
  await Promise.all([origin.start(), elsewhere.start()]);
  origin.tools = [tool("kept"), tool("plain")];
  const { url } = origin;
  const tools = { kept: { cache: { ttl: "10m" } } } as const;
  const lists = { defaultTtl: "10m" } as const;
  replica = await startReplica(
    {
      origins: {
        open: { url, lists, tools },
        bearer: { url, lists, tools, auth: { bearer: { secret: "TOKEN" } } },
        header: { url, lists, tools, auth: { header: { name: "X-Api-Key", secret: "API_KEY" } } },
        missing: { url, lists, tools, auth: { bearer: { secret: "NOT_SET" } } },
      },
      // Also for who says that it comes through Cloudflare.
      access: { open: true, openOnPurpose: true },
    },
    { vars: { ...SECRETS, REPLICA_LOG: "json" } },
  );
});
beforeEach(() => {
  origin.reset();
  elsewhere.reset();
});
afterAll(async () => {
  await replica?.close();
  await Promise.all([origin.stop(), elsewhere.stop()]);
});

/** Remembers what callers were told, to look through it for secrets at the end. */
async function ask(asked: Promise<Got>): Promise<Got> {
  const got = await asked;
  told.push(JSON.stringify(got.headers), got.text);
  return got;
}

describe("credentials", () => {
  const CALLERS = {
    authorization: "Bearer the-callers-own",
    cookie: "session=the-callers-own",
    "proxy-authorization": "Basic the-callers-own",
    "x-api-key": "the-callers-own",
    "set-cookie": "a=the-callers-own",
    "x-forwarded-for": "192.0.2.1",
    "x-forwarded-host": "the-callers-own",
    "x-forwarded-proto": "the-callers-own",
    "x-real-ip": "192.0.2.1",
    forwarded: "for=192.0.2.1",
    "cf-connecting-ip": "192.0.2.1",
    "cf-access-jwt-assertion": "the-callers-own",
    "cf-access-client-secret": "the-callers-own",
    "true-client-ip": "192.0.2.1",
    origin: "http://127.0.0.1",
    referer: "http://127.0.0.1/the-callers-own",
    "user-agent": "the-callers-own",
    "x-custom": "the-callers-own",
  };

  test.each(["open", "bearer", "header"])("of the caller never reach the origin %s", async (id) => {
    const headers = CALLERS;
    await ask(call(at(id), "kept", { id }, { headers }));
    await ask(call(at(id), "plain", {}, { headers }));
    await ask(legacyCall(at(id), "plain", {}, { headers }));
    await ask(modern(at(id), "tools/list", {}, { headers }));
    await ask(initialize(at(id), "2025-11-25", { headers }));
    await ask(legacy(at(id), "ping", {}, { headers: { ...headers, "mcp-session-id": "s" } }));
    expect(origin.seen.length).toBeGreaterThanOrEqual(5);
    for (const seen of origin.seen) {
      expect(JSON.stringify([seen.headers, seen.text])).not.toContain("the-callers-own");
      expect(JSON.stringify(seen.headers)).not.toContain("192.0.2.1");
      for (const name of Object.keys(CALLERS))
        if (name !== "authorization" && name !== "x-api-key") expect(seen.headers).not.toHaveProperty([name]);
      expect(seen.headers["authorization"]).toBe(id === "bearer" ? `Bearer ${SECRETS.TOKEN}` : undefined);
      expect(seen.headers["x-api-key"]).toBe(id === "header" ? SECRETS.API_KEY : undefined);
    }
  });

  test("that the configuration names and nobody set are a clear error, and the origin is not asked", async () => {
    for (const name of ["kept", "plain"]) {
      const got = await ask(call(at("missing"), name));
      expect([got.status, codeOf(got), said(got)]).toEqual([200, "misconfigured", expect.stringContaining("NOT_SET")]);
    }
    expect(codeOf(await ask(legacy(at("missing"), "tools/list")))).toBe("misconfigured");
    expect(origin.seen).toEqual([]);
  });

  test.each([401, 403])(
    "that the origin refuses with %i are the replica's trouble, not the caller's",
    async (status) => {
      const reply = {
        status,
        headers: { "www-authenticate": `Bearer error="bad ${SECRETS.TOKEN}"` },
        text: `{"error":"not ${SECRETS.TOKEN}"}`,
      };
      for (const what of ["tools/call", "prompts/list", "acme/unknown", "initialize"]) origin.on(what, () => reply);
      const asks = [
        call(at("bearer"), "kept", { status }),
        legacyCall(at("bearer"), "plain"),
        modern(at("bearer"), "prompts/list", { cursor: `${status}` }),
        legacy(at("bearer"), "acme/unknown"),
        initialize(at("bearer"), "2025-03-26", { headers: { "cache-control": "no-cache" } }),
      ];
      const got = await Promise.all(asks.map(ask));
      for (const one of got.slice(0, 4)) expect([one.status, codeOf(one)]).toEqual([200, "origin_refused"]);
      expect(got[4]!.status).toBe(200);
      for (const one of got) expect(one.headers).not.toHaveProperty("www-authenticate");
    },
  );
});

describe("the trace", () => {
  const TRACE = "0af7651916cd43dd8448eb211c80319c";
  const traceparent = `00-${TRACE}-b7ad6b7169203331-01`;

  test.each([
    ["the header", { headers: { traceparent } }],
    ["_meta", { meta: { traceparent } }],
    [
      "_meta rather than the header",
      { meta: { traceparent }, headers: { traceparent: traceparent.replace("0af", "fff") } },
    ],
  ])("from %s goes on to the origin, with a new parent, and into the log", async (way, asked) => {
    for (const name of ["kept", "plain"]) {
      await ask(call(at("open"), name, { way }, asked));
      const sent = origin.last("tools/call", name).headers["traceparent"];
      expect(sent).toMatch(new RegExp(`^00-${TRACE}-[0-9a-f]{16}-01$`));
      expect(sent).not.toBe(traceparent);
    }
    const lines = () => replica.lines.filter((line) => line.includes(TRACE));
    await expect.poll(() => lines().length).toBeGreaterThanOrEqual(2);
  });

  test("is begun where the caller has none, or a broken one", async () => {
    for (const broken of [null, "00-xyz", `00-${"0".repeat(32)}-b7ad6b7169203331-01`, `${traceparent}, evil`]) {
      await ask(call(at("open"), "plain", {}, { headers: { traceparent: broken } }));
      const sent = origin.last("tools/call").headers["traceparent"];
      expect(sent).toMatch(/^00-(?!0{32})[0-9a-f]{32}-[0-9a-f]{16}-01$/);
      expect(sent).not.toContain(TRACE);
    }
  });

  test("is named in errors", async () => {
    origin.on("tools/call", () => "reset");
    const got = await ask(call(at("open"), "kept", { trace: "error" }, { headers: { traceparent } }));
    expect(got.body.result._meta["edge-replica/error"].correlationId).toBe(TRACE);
  });
});

test("a fill tells the origin nothing that belongs to one caller", async () => {
  const meta = {
    traceparent: `00-${"a".repeat(32)}-${"b".repeat(16)}-01`,
    baggage: "user=ann",
    "claudecode/toolUseId": "mine",
    "io.modelcontextprotocol/logLevel": "debug",
    "edge-replica/cache-control": "max-age=1",
  };
  const headers = { baggage: "user=ann", tracestate: "v=ann", "user-agent": "ann" };
  await ask(call(at("open"), "kept", { own: 1 }, { meta, headers, id: "mine" }));
  const seen = origin.last("tools/call");
  expect(JSON.stringify([seen.headers, seen.text])).not.toMatch(/ann|mine/);
  expect(seen.params).toEqual({
    name: "kept",
    arguments: { own: 1 },
    _meta: {
      "io.modelcontextprotocol/protocolVersion": "2026-07-28",
      "io.modelcontextprotocol/clientCapabilities": {},
      "io.modelcontextprotocol/clientInfo": { name: "mcp-edge-replica", version: expect.any(String) },
    },
  });
  expect(seen.headers).toMatchObject({
    "mcp-method": "tools/call",
    "mcp-name": "kept",
    "mcp-protocol-version": "2026-07-28",
  });

  await ask(legacyCall(at("open"), "kept", { own: 2 }, { meta, headers, id: "mine" }));
  const inLegacy = origin.last("tools/call");
  expect(JSON.stringify([inLegacy.headers, inLegacy.text])).not.toMatch(/ann|mine/);
  expect(inLegacy.params).toEqual({ name: "kept", arguments: { own: 2 } });
});

test("a call that asked for progress hears of it as it happens, and its answer is kept", async () => {
  let open: () => void = () => {};
  const hold = new Promise<void>((resolve) => (open = resolve));
  const note = { method: "notifications/progress", params: { progressToken: "p", progress: 1 } };
  origin.on("tools/call", () => ({ ...text("done"), sse: [note], hold }));
  const params = { name: "kept", arguments: { progress: 1 } };
  const response = await fetch(at("open"), {
    method: "POST",
    headers: modernHeaders("tools/call", params),
    body: modernBody("tools/call", params, { meta: { progressToken: "p" }, id: "watcher" }),
  });
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let heard = "";
  while (!heard.includes("notifications/progress")) heard += (await reader.read()).value;
  expect(heard).not.toContain("done");
  open();
  for (let part = await reader.read(); !part.done; part = await reader.read()) heard += part.value;
  expect(heard).toContain("done");
  expect(origin.last("tools/call").params._meta.progressToken).toBe("p");
  await expect.poll(async () => (await call(at("open"), "kept", params.arguments)).cache?.status).toBe("hit");
  expect(origin.count("tools/call")).toBe(1);
});

test("a redirect is not followed, neither by a fill nor by a relay", async () => {
  for (const status of [301, 302, 307, 308]) {
    origin.on("tools/call", () => ({ status, headers: { location: elsewhere.url }, text: "" }));
    for (const name of ["kept", "plain"]) {
      const got = await ask(call(at("bearer"), name, { status }));
      expect([got.status, codeOf(got)]).toEqual([200, "origin_invalid"]);
      expect(got.headers).not.toHaveProperty("location");
    }
  }
  expect(elsewhere.seen).toEqual([]);
});

describe("a bad neighbour", () => {
  const BAD: [string, Reply][] = [
    ["no JSON", { text: "hello" }],
    ["nothing", { text: "" }],
    ["HTML with status 200", { text: "<p>Log in</p>", headers: { "content-type": "text/html" } }],
    ["JSON that is no JSON-RPC", { text: '{"ok":true}' }],
    ["the answer to another request", { ...text("not yours"), id: 999 }],
    ["an id of another type", { ...text("not yours"), id: "1" }],
    ["a batch", { text: '[{"jsonrpc":"2.0","id":1,"result":{}}]' }],
    ["half of the answer", { ...text("half"), breakOff: true }],
    ["a stream that ends before the answer", { sse: true, text: 'data: {"jsonrpc":"2.0","id":1,"resu\n\n' }],
    ["a stream without an answer", { sse: [{ method: "notifications/message" }], text: "" }],
    ["half of a stream", { ...text("half"), sse: true, breakOff: true }],
    ["bytes that are not UTF-8", { text: "\ud800" }],
  ];

  test.each(BAD)("that answers with %s gives an error to act on, and nothing of it is kept", async (what, reply) => {
    for (const caller of [call, legacyCall]) {
      const args = { what, era: caller.name };
      origin.on("tools/call", () => reply);
      const got = await ask(caller(at("open"), "kept", args));
      expect([got.status, got.body.result.isError, codeOf(got)]).toEqual([
        200,
        true,
        expect.stringMatching(/^origin_(invalid|unavailable)$/),
      ]);
      expect(got.text).not.toMatch(/not yours|half|Log in/);
      const kept = await call(at("open"), "kept", args, { headers: { "cache-control": "only-if-cached" } });
      expect(codeOf(kept)).toBe("not_cached");
    }
  });

  test("that answers a relayed call with a web page is not believed either", async () => {
    origin.on("tools/call", () => ({ text: "<p>Log in</p>", headers: { "content-type": "text/html" } }));
    const got = await ask(call(at("open"), "plain"));
    expect([got.status, codeOf(got)]).toEqual([200, "origin_invalid"]);
  });

  test("whose error is no JSON-RPC is put into words, whatever its status", async () => {
    for (const status of [400, 404, 418, 500, 503]) {
      origin.on("tools/call", () => ({ status, text: "Bad", headers: { "content-type": "text/plain" } }));
      for (const name of ["kept", "plain"]) {
        const got = await ask(call(at("open"), name, { status }));
        expect([got.status, codeOf(got)]).toEqual([200, expect.stringMatching(/^origin_(invalid|unavailable)$/)]);
      }
    }
  });

  test("that sets cookies and other headers has them kept from the caller", async () => {
    const headers = {
      "set-cookie": "a=b",
      "access-control-allow-origin": "*",
      "access-control-allow-credentials": "true",
      authorization: "Bearer of-the-origin",
      "www-authenticate": 'Bearer resource_metadata="https://evil.example"',
      location: "https://evil.example",
      refresh: "0; url=https://evil.example",
      link: "<https://evil.example>; rel=preload",
      "content-security-policy": "default-src *",
      "strict-transport-security": "max-age=0",
      "clear-site-data": '"*"',
      server: "of-the-origin",
      via: "1.1 of-the-origin",
      "x-powered-by": "y",
      "alt-svc": 'h3="evil.example:443"',
      "cache-control": "public",
      "cdn-cache-control": "public, max-age=9",
      etag: '"of-the-origin"',
      vary: "of-the-origin",
    };
    for (const sse of [false, true]) {
      origin.on("tools/call", () => ({ ...text("fine"), headers, sse }));
      for (const name of ["kept", "plain"]) {
        for (const asked of [call, legacyCall]) {
          const got = await ask(asked(at("open"), name, { cookies: `${sse}` }));
          expect(said(got)).toBe("fine");
          for (const header of Object.keys(headers)) expect([header, got.headers[header]]).toEqual([header, undefined]);
        }
      }
    }
  });
});

test("no secret is in anything that callers were told, or in the log", async () => {
  await expect.poll(() => replica.lines.length).toBeGreaterThan(20);
  expect(told.length).toBeGreaterThan(50);
  for (const secret of Object.values(SECRETS)) {
    expect(told.filter((one) => one.includes(secret))).toEqual([]);
    expect(replica.lines.filter((line) => line.includes(secret))).toEqual([]);
  }
  expect(replica.lines.filter((line) => line.includes("the-callers-own"))).toEqual([]);
});
