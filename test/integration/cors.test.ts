import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { Fixture, text, tool } from "./support/fixture.ts";
import { bearer, makeKey, PEPPER } from "./support/keys.ts";
import { mark } from "./support/mark.ts";
import { type Replica, startReplica } from "./support/replica.ts";
import {
  call,
  codeOf,
  type Got,
  initialize,
  legacy,
  modern,
  modernBody,
  modernHeaders,
  send,
  type Sent,
} from "./support/wire.ts";

const PAGE = "http://localhost:3000";
const HOST = "replica.example.com";
const SENDABLE = [
  "accept",
  "authorization",
  "baggage",
  "cache-control",
  "content-type",
  "idempotency-key",
  "last-event-id",
  "mcp-method",
  "mcp-name",
  "mcp-protocol-version",
  "mcp-session-id",
  "traceparent",
  "tracestate",
];
const READABLE = "mcp-session-id, mcp-protocol-version, www-authenticate, cache-status, retry-after";

const origin = new Fixture();
let open: Replica;
let keyed: Replica;

beforeAll(async () => {
  await origin.start();
  origin.tools = [tool("cached")];
  const config = {
    origins: {
      o: { url: origin.url, tools: { cached: { cache: { ttl: "10m" } }, secret: { deny: true } } },
      other: { url: origin.url, default: true, tools: { cached: { cache: { ttl: "10m" } }, secret: { deny: true } } },
    },
    limits: { body: "64KB" },
    hosts: [HOST, "app.example.com", "dev.example.com:8443", "localhost:5173"],
  } as const;
  const vars = { REPLICA_LOG: "line" };
  open = await startReplica(config as never, { vars });
  keyed = await startReplica({ ...config, access: { keys: true } } as never, { vars: { ...vars, KEY_PEPPER: PEPPER } });
});
beforeEach(() => origin.reset());
afterAll(async () => {
  await Promise.all([open?.close(), keyed?.close()]);
  await origin.stop();
});

/** What of a response is for browsers. */
function forPages({ headers }: Pick<Got, "headers">): Record<string, string | undefined> {
  const names = Object.keys(headers).filter((name) => name.startsWith("access-control-") || name === "vary");
  return Object.fromEntries(names.map((name) => [name, headers[name]]));
}

/** What every response to a page has, and nothing else for browsers. */
const shown = (page: string) => ({
  "access-control-allow-origin": page,
  "access-control-expose-headers": READABLE,
  vary: "Origin",
});

function ask(url: string, page: string | null, headers: Record<string, string | null> = {}): Promise<Got> {
  return send(url, {
    method: "OPTIONS",
    headers: { origin: page, "access-control-request-method": "POST", ...headers },
  });
}

const namesIn = (got: Got) => got.headers["access-control-allow-headers"]!.split(", ");

describe("the question what a page may send", () => {
  test.each([
    ["http://localhost:3000", null],
    ["http://127.0.0.1", null],
    ["http://[::1]:8080", null],
    ["https://replica.example.com", HOST],
    ["https://app.example.com", HOST],
    ["https://dev.example.com:8443", HOST],
    ["https://app.example.com", null],
    ["http://localhost:5173", HOST],
  ])("of %s, asked at the host %s, is answered before anybody has a key", async (page, host) => {
    const got = await ask(keyed.mcp, page, host === null ? {} : { host });
    expect([got.status, got.text, got.headers["content-type"]]).toEqual([204, "", undefined]);
    expect(forPages(got)).toEqual({
      "access-control-allow-origin": page,
      "access-control-allow-methods": "POST, GET, DELETE",
      "access-control-allow-headers": SENDABLE.join(", "),
      "access-control-max-age": "7200",
      vary: "Origin, Access-Control-Request-Headers",
    });
    expect(origin.seen).toEqual([]);
  });

  test("has the same answer for an origin that is there and for one that is not", async () => {
    const answers = [];
    for (const path of ["/mcp", "/mcp/o", "/mcp/other", "/mcp/nobody", "/mcp/%6f"]) {
      for (const replica of [open, keyed]) {
        const { status, headers, text } = await ask(`${replica.url}${path}`, PAGE);
        answers.push(JSON.stringify([status, { ...headers, date: undefined }, text]));
      }
    }
    expect(new Set(answers).size).toBe(1);
    expect(origin.seen).toEqual([]);
  });

  test("lets a page send the headers that tools name, if they are such names", async () => {
    const asked = "authorization,mcp-param-region, Mcp-Param-X.y~1,x-custom,mcp-param-,mcp-param-a b,mcp-param-é,*";
    const got = await ask(open.mcp, PAGE, { "access-control-request-headers": asked });
    expect(namesIn(got)).toEqual([...SENDABLE, "mcp-param-region", "Mcp-Param-X.y~1"]);
  });

  test("has an end", async () => {
    const long = `mcp-param-${"x".repeat(129)}`;
    const names = Array.from({ length: 300 }, (_, index) => `mcp-param-${index}`);
    const asked = [long, ...names].join(",");
    const got = await ask(open.mcp, PAGE, { "access-control-request-headers": asked });
    expect(namesIn(got)).toEqual([...SENDABLE, ...names.slice(0, 99)]);
  });

  test("is one line in the log", async () => {
    const before = await mark(open);
    await ask(`${open.url}/mcp/o`, PAGE);
    const lines = open.lines.slice(before, (await mark(open)) - 1);
    expect(lines).toEqual([expect.stringMatching(/^OPTIONS - local \d+\.\dms [0-9a-f]{8}$/)]);
  });
});

describe("a page that is not let in", () => {
  test.each([
    ["https://evil.example", null, "origin_not_allowed"],
    ["https://app.example.com.evil.example", null, "origin_not_allowed"],
    ["http://localhost.evil.example", null, "origin_not_allowed"],
    ["https://dev.example.com", null, "origin_not_allowed"],
    ["null", null, "origin_not_allowed"],
    ["*", null, "origin_not_allowed"],
    // A page on the visitor's machine has no business with a replica elsewhere.
    ["http://localhost:3000", HOST, "origin_not_allowed"],
    ["https://app.example.com", "evil.example", "host_not_served"],
  ])("(%s, at the host %s) gets no header that would show it anything", async (page, host, code) => {
    const at: Record<string, string> = host === null ? {} : { host };
    for (const replica of [open, keyed]) {
      for (const path of ["/mcp", "/mcp/o", "/mcp/nobody"]) {
        const url = `${replica.url}${path}`;
        const asks: Sent[] = [
          { method: "OPTIONS", headers: { "access-control-request-method": "POST" } },
          { headers: modernHeaders("tools/call", { name: "cached" }), body: modernBody("tools/call") },
          { headers: { "content-type": "text/plain" }, body: modernBody("tools/call") },
        ];
        for (const sent of asks) {
          const got = await send(url, { ...sent, headers: { ...sent.headers, origin: page, ...at } });
          expect([got.status, codeOf(got), forPages(got)]).toEqual([403, code, {}]);
        }
      }
    }
    expect(origin.seen).toEqual([]);
  });
});

describe("OPTIONS that asks nothing about pages", () => {
  test.each([
    ["of a page", PAGE, null],
    ["of nobody in a browser", null, "POST"],
    ["of nobody, about nothing", null, null],
  ])("(%s) is refused like any other method", async (_, page, method) => {
    const got = await ask(open.mcp, page, { "access-control-request-method": method });
    expect([got.status, codeOf(got), got.headers["allow"]]).toEqual([405, "method_not_allowed", "POST"]);
    expect(forPages(got)).toEqual(page === null ? {} : shown(page));
  });

  test("needs a key like any other method", async () => {
    const got = await ask(keyed.mcp, PAGE, { "access-control-request-method": null });
    expect([got.status, forPages(got)]).toEqual([401, shown(PAGE)]);
  });
});

describe("a page that is let in is shown", () => {
  const ours = { headers: { origin: PAGE } };
  const params = { name: "cached", arguments: {} };
  const post = (sent: Sent) =>
    send(open.mcp, { ...sent, headers: { ...modernHeaders("tools/call", params), origin: PAGE, ...sent.headers } });
  const tooLarge = modernBody("tools/call", { name: "cached", arguments: { q: "x".repeat(70_000) } });

  test.each<[string, number, () => Promise<Got>]>([
    ["a miss", 200, () => call(open.mcp, "cached", { miss: 1 }, ours)],
    ["a call passed through", 200, () => call(open.mcp, "free", {}, ours)],
    ["a local answer", 200, () => legacy(open.mcp, "ping", {}, ours)],
    ["a connection", 200, () => initialize(open.mcp, "2025-11-25", ours)],
    ["a notification's receipt", 202, () => notify(ours.headers)],
    ["a denial", 200, () => call(open.mcp, "secret", {}, ours)],
    ["what is not JSON", 400, () => post({ body: "hello" })],
    ["what is no JSON-RPC", 400, () => post({ body: "7" })],
    ["another path", 404, () => call(`${open.mcp}/nobody`, "cached", {}, ours)],
    ["another method", 405, () => send(open.mcp, { method: "GET", ...ours })],
    ["a body too large", 413, () => post({ body: tooLarge })],
    ["another type", 415, () => post({ body: "{}", headers: { "content-type": "text/plain" } })],
  ])("%s", async (_, status, send) => {
    const got = await send();
    expect([got.status, forPages(got)]).toEqual([status, shown(PAGE)]);
  });

  test("the answers of an origin that fails", async () => {
    origin.on("tools/call", () => ({ status: 503, text: "down" }));
    const got = await call(open.mcp, "cached", { failing: 1 }, ours);
    expect([codeOf(got), forPages(got)]).toEqual(["origin_unavailable", shown(PAGE)]);
  });

  test("that it needs a key, and with one its answer", async () => {
    const refused = await call(keyed.mcp, "cached", {}, ours);
    expect([refused.status, codeOf(refused), forPages(refused)]).toEqual([401, "unauthorized", shown(PAGE)]);
    expect(refused.headers["www-authenticate"]).toBe("Bearer");
    const { headers } = bearer((await makeKey(keyed)).key);
    const got = await call(keyed.mcp, "cached", {}, { headers: { ...headers, ...ours.headers } });
    expect([got.status, got.cache?.status, forPages(got)]).toEqual([200, "miss", shown(PAGE)]);
  });

  test("its session", async () => {
    origin.on("initialize", ({ params }) => ({
      result: { protocolVersion: params.protocolVersion, capabilities: {}, serverInfo: { name: "f", version: "1" } },
      headers: { "mcp-session-id": "s1" },
    }));
    const got = await initialize(open.mcp, "2025-11-25", ours);
    expect([got.status, forPages(got)]).toEqual([200, shown(PAGE)]);
    const session = got.headers["mcp-session-id"]!;
    origin.on("DELETE", () => ({ status: 200, text: "" }));
    const headers = { ...ours.headers, "mcp-session-id": session, "mcp-protocol-version": "2025-11-25" };
    const ended = await send(open.mcp, { method: "DELETE", headers });
    expect([ended.status < 300, forPages(ended)]).toEqual([true, shown(PAGE)]);
  });

  test("a stream, as it comes, and without what the origin says of pages", async () => {
    let release!: () => void;
    const hold = new Promise<void>((resolve) => (release = resolve));
    origin.on("tools/call", () => ({
      ...text("done"),
      sse: [{ method: "notifications/progress", params: { progressToken: 1, progress: 1 } }],
      headers: { "access-control-allow-origin": "*", "access-control-allow-credentials": "true", vary: "cookie" },
      hold,
    }));
    const response = await fetch(open.mcp, {
      method: "POST",
      headers: { ...modernHeaders("tools/call", { name: "free" }), origin: PAGE },
      body: modernBody("tools/call", { name: "free", arguments: {} }, { meta: { progressToken: 1 } }),
    });
    expect(forPages({ headers: Object.fromEntries(response.headers) })).toEqual(shown(PAGE));
    expect(response.headers.get("content-type")).toBe("text/event-stream");
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    expect((await reader.read()).value).toContain("notifications/progress");
    release();
    let rest = "";
    for (let part = await reader.read(); !part.done; part = await reader.read()) rest += part.value;
    expect(rest).toContain("done");
  });

  test("hits, each page its own, and who is no page has none of it", async () => {
    const pages = [PAGE, "https://app.example.com", null, "http://127.0.0.1:5000", null];
    await call(open.mcp, "cached", { hits: 1 });
    for (const page of pages) {
      const got = await call(open.mcp, "cached", { hits: 1 }, { headers: { origin: page } });
      expect([got.cache?.status, forPages(got)]).toEqual(["hit", page === null ? {} : shown(page)]);
      expect(got.headers["cache-status"]).toContain("hit");
    }
    expect((await modern(open.mcp, "tools/list", {}, ours)).headers["access-control-allow-origin"]).toBe(PAGE);
    expect(forPages(await modern(open.mcp, "tools/list"))).toEqual({});
  });

  function notify(headers: Record<string, string>): Promise<Got> {
    return send(open.mcp, {
      headers: { ...modernHeaders(""), "mcp-method": null, "mcp-protocol-version": "2025-11-25", ...headers },
      body: '{"jsonrpc":"2.0","method":"notifications/initialized"}',
    });
  }
});

test("nothing else is for pages", async () => {
  for (const path of ["/healthz", "/readyz", "/", "/mcp/o/more"]) {
    expect(forPages(await send(`${open.url}${path}`, { method: "GET", headers: { origin: PAGE } })), path).toEqual({});
    const asked = await ask(`${open.url}${path}`, PAGE);
    expect([asked.status, forPages(asked)], path).toEqual([404, {}]);
  }
});
