import { once } from "node:events";
import { connect } from "node:net";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { Fixture, tool } from "./support/fixture.ts";
import { bearer, makeKey, PEPPER } from "./support/keys.ts";
import { type Replica, startReplica } from "./support/replica.ts";
import { call, codeOf, type Got, legacyCall, modern, modernBody, modernHeaders, said, send } from "./support/wire.ts";

type Caller = { headers: Record<string, string> };

const HOST = "replica.example.com";
const PARAMS = { name: "kept", arguments: { q: "x" } };
const BODY = modernBody("tools/call", PARAMS);

const origin = new Fixture();
let replica: Replica;
let ann: Caller;
let bob: Caller;

beforeAll(async () => {
  await origin.start();
  origin.tools = [tool("kept"), tool("admin")];
  const tools = { kept: { cache: { ttl: "10m", scope: "public" } }, admin: { deny: true } } as const;
  replica = await startReplica(
    {
      origins: { o: { url: origin.url, tools }, plain: { url: origin.url, tools: { kept: tools.kept } } },
      access: { keys: true },
      hosts: [HOST],
      limits: { body: "64KB" },
    },
    { vars: { KEY_PEPPER: PEPPER, ADMIN_TOKEN: "the operator's own token", REPLICA_LOG: "line" } },
  );
  [ann, bob] = [bearer((await makeKey(replica)).key), bearer((await makeKey(replica)).key)];
});
beforeEach(() => origin.reset());
afterAll(async () => {
  await replica?.close();
  await origin.stop();
});

/** The tools whose calls have reached the origin. */
const calls = () => origin.seen.filter(({ method }) => method === "tools/call").map(({ name }) => name);
const at = (id: string) => `${replica.mcp}/${id}`;
const headersFor = (who: Caller) => ({ ...modernHeaders("tools/call", PARAMS), ...who.headers });

/** Sends bytes as they are, and reads until the connection is at its end. */
async function raw(...parts: (string | Uint8Array)[]): Promise<string> {
  const { port, hostname } = new URL(replica.url);
  const socket = connect(Number(port), hostname);
  let answer = "";
  socket.on("data", (data) => (answer += data.toString()));
  // That the other side has had enough is what is looked for.
  socket.on("error", () => {});
  for (const part of parts) socket.write(part);
  await once(socket, "close");
  return answer;
}

/** The head of a request to `/mcp/plain`, with further lines. */
function head(lines: readonly string[], { target = "/mcp/plain", host = "127.0.0.1" } = {}): string {
  const usual = Object.entries(headersFor(ann)).map(([name, value]) => `${name}: ${value}`);
  return [`POST ${target} HTTP/1.1`, `Host: ${host}`, "Connection: close", ...usual, ...lines, "", ""].join("\r\n");
}

const statusesIn = (answer: string) => [...answer.matchAll(/^HTTP\/1\.1 (\d+)/gm)].map(([, status]) => Number(status));
const LENGTH = `Content-Length: ${BODY.length}`;
/** A whole request that is to be taken for one of its own. */
const hidden = () => `${head([`Content-Length: ${HIDDEN.length}`]).replaceAll("kept", "stolen")}${HIDDEN}`;
const HIDDEN = BODY.replace("kept", "stolen");

describe("where a message ends", () => {
  test.each<[string, () => string[]]>([
    ["two lengths", () => [head([LENGTH, "Content-Length: 3"]), BODY, hidden()]],
    ["a length that is none", () => [head(["Content-Length: 0x10"]), BODY, hidden()]],
    ["a negative length", () => [head(["Content-Length: -1"]), BODY, hidden()]],
    ["a length before a colon with a blank", () => [head([`Content-Length : ${BODY.length}`]), BODY, hidden()]],
    [
      "a header that goes on in the next line",
      () => [head([LENGTH, "X-A: b\r\n Transfer-Encoding: chunked"]), BODY, hidden()],
    ],
    ["a zero byte in a header", () => [head([LENGTH, "X-A: b\0c"]), BODY, hidden()]],
    ["chunks in another encoding", () => [head(["Transfer-Encoding: xchunked"]), BODY, hidden()]],
    [
      "a size of a chunk that is none",
      () => [head(["Transfer-Encoding: chunked"]), `${BODY.length.toString(16)}g\r\n${BODY}\r\n0\r\n\r\n`, hidden()],
    ],
  ])("is beyond doubt, or the request is refused: %s", async (_, parts) => {
    const answer = await raw(...parts());
    expect(origin.count("tools/call", "stolen")).toBe(0);
    expect(statusesIn(answer).length).toBeLessThanOrEqual(1);
    for (const status of statusesIn(answer)) expect(status).toBeGreaterThanOrEqual(400);
  });

  test("is where its chunks say, whatever length is stated, and what is left is no part of it", async () => {
    const chunked = `${BODY.length.toString(16)}\r\n${BODY}\r\n0\r\n\r\n`;
    const answer = await raw(head(["Transfer-Encoding: chunked", "Content-Length: 4"]), chunked, hidden());
    expect(origin.count("tools/call", "stolen")).toBe(0);
    expect(statusesIn(answer).length).toBeLessThanOrEqual(1);
  });
});

describe("a header that comes twice", () => {
  const twice = async (name: string, values: readonly string[], to = "/mcp/plain") => {
    const lines = values.map((value) => `${name}: ${value}`);
    const without = head([LENGTH, ...lines], { target: to })
      .split("\r\n")
      .filter((line) => !line.toLowerCase().startsWith(`${name}:`) || lines.includes(line));
    return raw(without.join("\r\n"), BODY);
  };

  test("is not read as one of the two: who calls", async () => {
    for (const values of [
      [ann.headers["authorization"]!, bob.headers["authorization"]!],
      [ann.headers["authorization"]!, "Bearer x"],
      ["Bearer x", ann.headers["authorization"]!],
    ]) {
      const answer = await twice("authorization", values);
      expect(statusesIn(answer)).toEqual([401]);
    }
    expect(calls()).toEqual([]);
  });

  test.each([
    ["mcp-name", ["kept", "admin"]],
    ["mcp-name", ["admin", "kept"]],
    ["mcp-method", ["tools/call", "tools/list"]],
    ["mcp-protocol-version", ["2026-07-28", "2025-11-25"]],
  ])("is not read as one of the two: %s %j", async (name, values) => {
    await call(at("plain"), "kept", { q: "x" }, ann);
    await expect.poll(async () => (await call(at("plain"), "kept", { q: "x" }, ann)).cache?.status).toBe("hit");
    const before = origin.count("tools/call");
    const answer = await twice(name, values);
    // It is the origin's to judge, and nobody's to answer from the cache.
    expect(answer).not.toContain('"hit"');
    expect(origin.count("tools/call") - before + Number(statusesIn(answer)[0] === 400)).toBeGreaterThan(0);
  });

  test("is not taken where it says the type of the body", async () => {
    expect(statusesIn(await twice("content-type", ["text/plain", "application/json"]))).toEqual([415]);
    expect(statusesIn(await twice("content-type", ["application/json", "text/plain"]))).toEqual([415]);
  });
});

test.each([
  "text/plain;application/json",
  "application/x-www-form-urlencoded",
  "multipart/form-data; boundary=application/json",
  "text/plain; charset=application/json",
  "",
])("a page can send the type %j without asking, and it is not taken", async (type) => {
  const got = await send(at("plain"), { headers: { ...headersFor(ann), "content-type": type }, body: BODY });
  expect(got.status).toBe(415);
  expect(calls()).toEqual([]);
});

describe("the host", () => {
  test.each([
    ["localhost.", "127.0.0.1"],
    ["127.0.0.1.evil.example", "127.0.0.1"],
    ["localhost@evil.example", "127.0.0.1"],
    ["evil.example#localhost", "127.0.0.1"],
    ["evil.example:80", "127.0.0.1"],
    ["[::ffff:127.0.0.1]", "127.0.0.1"],
    ["evil.example, localhost", "127.0.0.1"],
    ["", "127.0.0.1"],
    [`${HOST}.evil.example`, "127.0.0.1"],
    [`${HOST}.`, "127.0.0.1"],
  ])("%j is not served", async (host) => {
    const answer = await raw(head([LENGTH], { host }), BODY);
    for (const status of statusesIn(answer)) expect([400, 403]).toContain(status);
    expect(calls()).toEqual([]);
  });

  test("is that of the request, whatever other headers say that name one", async () => {
    const others = ["x-forwarded-host", "x-host", "x-forwarded-server", "forwarded", "x-original-host", "x-real-ip"];
    const naming = (value: string) =>
      Object.fromEntries(others.map((name) => [name, name === "forwarded" ? `host=${value}` : value]));
    const lying = { ...headersFor(ann), host: "evil.example", ...naming("localhost") };
    expect(codeOf(await send(at("plain"), { headers: lying, body: BODY }))).toBe("host_not_served");
    const honest = { ...headersFor(ann), host: HOST, ...naming("evil.example") };
    expect((await send(at("plain"), { headers: honest, body: BODY })).status).toBe(200);
  });

  test("of a target in absolute form does not make up for it", async () => {
    for (const [target, host] of [
      [`http://localhost/mcp/plain`, "evil.example"],
      [`http://evil.example/mcp/plain`, "evil.example"],
    ] as const) {
      const answer = await raw(head([LENGTH], { target, host }), BODY);
      for (const status of statusesIn(answer)) expect([400, 403, 404]).toContain(status);
    }
    expect(calls()).toEqual([]);
  });
});

test.each([
  "http://localhost@evil.example",
  "http://evil.example#@localhost",
  "http://evil.example?localhost",
  "https://evil.example\\@replica.example.com",
  "https://replica.example.com.evil.example",
  "https://evilreplica.example.com",
  "https://xn--eplica-2of.example.com",
  "https://replica.example.com https://evil.example",
  "blob:https://replica.example.com/x",
  "data:text/html,localhost",
  "about:blank",
  "https://replica.example.com:0x1bb",
])("a page of %s is none of ours", async (page) => {
  const got = await send(at("plain"), { headers: { ...headersFor(ann), host: HOST, origin: page }, body: BODY });
  expect([got.status, codeOf(got)]).toEqual([403, "origin_not_allowed"]);
  expect(got.headers["access-control-allow-origin"]).toBeUndefined();
  expect(calls()).toEqual([]);
});

test.each([
  "/mcp/../admin/status",
  "/mcp/%2e%2e/admin/status",
  "/mcp/plain/..;/admin/status",
  "//admin/status",
  "/admin/status/",
  "/admin%2fstatus",
  "/ADMIN/status",
  "/mcp/plain/../../metrics",
])("the path %s leads nobody to what is the operator's", async (target) => {
  const rewriting = ["X-Original-URL: /admin/status", "X-Rewrite-URL: /admin/status", "X-HTTP-Method-Override: GET"];
  const answer = await raw(head([LENGTH, ...rewriting], { target }), BODY);
  for (const status of statusesIn(answer)) expect([400, 401, 403, 404, 405]).toContain(status);
  expect(answer).not.toContain('"feed"');
});

describe("a compressed body", () => {
  test("is not unpacked: it is no JSON, and a bomb stays as small as it came", async () => {
    const bomb = gzipSync(`${BODY.slice(0, -1)}${" ".repeat(50_000_000)}}`);
    expect(bomb.length).toBeLessThan(64 * 1024);
    for (const packed of [gzipSync(BODY), bomb]) {
      const answer = await raw(head(["Content-Encoding: gzip", `Content-Length: ${packed.length}`]), packed);
      expect([statusesIn(answer), answer.includes("not_json")]).toEqual([[400], true]);
    }
    expect(calls()).toEqual([]);
  });

  test("that says so and is not is read as it is, and the origin is told nothing of it", async () => {
    const headers = { ...headersFor(ann), "content-encoding": "gzip" };
    const body = modernBody("tools/call", { name: "own" });
    expect(said(await send(at("plain"), { headers: { ...headers, "mcp-name": "own" }, body }))).toBe("own 1");
    expect(origin.last("tools/call").headers["content-encoding"]).toBeUndefined();
  });
});

test("callers who send slowly, or not to the end, keep nobody waiting and reach nobody", async () => {
  const { port, hostname } = new URL(replica.url);
  const slow = Array.from({ length: 30 }, () => {
    const socket = connect(Number(port), hostname);
    socket.on("error", () => {});
    socket.write(head([LENGTH]) + HIDDEN.slice(0, 40));
    return socket;
  });
  await Promise.all(slow.map((socket) => once(socket, "connect")));
  expect(said(await call(at("plain"), "own", {}, bob))).toBe("own 1");
  for (const socket of slow) socket.destroy();
  expect(said(await call(at("plain"), "own", {}, bob))).toBe("own 2");
  expect(calls()).toEqual(["own", "own"]);
});

describe("names that every object has", () => {
  const POLLUTION = '{"polluted":true,"name":"kept","method":"tools/call","isError":true,"deny":false}';
  const bodies = [
    ["arguments", `{"name":"own","arguments":{"__proto__":${POLLUTION},"constructor":{"prototype":${POLLUTION}}}}`],
    ["params", `{"__proto__":${POLLUTION},"constructor":{"prototype":${POLLUTION}},"name":"own"}`],
    ["_meta", `{"name":"own","_meta":{"__proto__":${POLLUTION},"constructor":{"prototype":${POLLUTION}}}}`],
  ] as const;

  test.each(bodies)("in %s reach the origin as they came, and change nothing for anybody", async (_, params) => {
    const body = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":${params}}`;
    const headers = { ...headersFor(ann), "mcp-protocol-version": "2025-11-25" };
    const beside = body.replace('"id":1,', `"id":1,"__proto__":${POLLUTION},`);
    expect(codeOf(await send(at("plain"), { headers, body: beside }))).toBe("jsonrpc_shape");
    await send(at("plain"), { headers, body });
    expect(origin.last("tools/call").text).toBe(body);
    const clean = await call(at("plain"), "own", {}, bob);
    expect([said(clean), clean.body.result.isError, clean.text.includes("polluted")]).toEqual([
      "own 2",
      undefined,
      false,
    ]);
    expect(codeOf(await call(at("o"), "admin", {}, bob))).toBe("denied");
  });

  test("do not stand for what a message has not itself: a denied tool stays denied", async () => {
    for (const params of [
      '{"__proto__":{"name":"own"},"name":"admin"}',
      '{"name":"admin","constructor":{"name":"own"}}',
    ]) {
      const body = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":${params}}`;
      const headers = { ...headersFor(ann), "mcp-protocol-version": "2025-11-25" };
      expect(codeOf(await send(at("o"), { headers, body }))).toBe("denied");
    }
    expect(calls()).toEqual([]);
  });

  test("in arguments make another call of it, which another answer is kept for", async () => {
    const ask = (args: string) =>
      send(at("plain"), {
        headers: headersFor(ann),
        body: modernBody("tools/call", { name: "kept" }).replace('"name":"kept"', `"name":"kept","arguments":${args}`),
      });
    const answers: Got[] = [];
    for (const args of [
      '{"q":"p"}',
      '{"q":"p","__proto__":{}}',
      '{"q":"p","__proto__":{"a":1}}',
      '{"__proto__":{"q":"p"}}',
    ])
      answers.push(await ask(args));
    expect(new Set(answers.map(said)).size).toBe(4);
  });
});

test("halves of characters reach the origin as they came, and no two of them share an answer", async () => {
  const texts = [String.raw`"\ud800"`, String.raw`"\udfff"`, String.raw`"\ud800\ud800"`, String.raw`"\ufffd"`];
  for (const text of [...texts, ...texts]) {
    const body = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"kept","arguments":{"half":${text}}}}`;
    const got = await send(at("plain"), {
      headers: { ...headersFor(ann), "mcp-protocol-version": "2025-11-25" },
      body,
    });
    expect(got.status).toBe(200);
    if (got.cache?.status === "hit") expect(text).toBe(texts[3]);
    else expect(origin.last("tools/call").params.arguments.half).toBe(JSON.parse(text));
  }
  expect(origin.count("tools/call")).toBe(7);
});

test("trace contexts that are none are made up anew, and neither they nor ids reach the log", async () => {
  const forged = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\ntools/call forged hit 0.1ms 00000000";
  const meta = { traceparent: forged, tracestate: "a=\u001b[2J", baggage: "\u2028" };
  const before = replica.lines.length;
  await modern(at("plain"), "tools/call", { name: "own" }, { ...ann, id: "id\nforged", meta });
  await legacyCall(
    at("plain"),
    "own",
    {},
    { ...ann, id: "\u001b[31m", headers: { ...ann.headers, traceparent: "x forged" } },
  );
  await expect.poll(() => replica.lines.length - before).toBeGreaterThanOrEqual(2);
  for (const line of replica.lines.slice(before)) expect(line).toMatch(/^(?!.*forged)[ -~]+$/);
});
