import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { ToolConfig } from "../../src/config/types.ts";
import { Fixture, text, tool } from "./support/fixture.ts";
import { type Replica, startReplica } from "./support/replica.ts";
import { beside, callIn, eventsIn, inside, names, openAt, post, streamAt } from "./support/sessionsOf.ts";
import { makeStateful } from "./support/stateful.ts";
import { call, codeOf, legacy, legacyCall, modern, said, send, until } from "./support/wire.ts";

const origin = new Fixture();
let replica: Replica;
let open: string;
let denying: string;
let strict: string;

beforeAll(async () => {
  await origin.start();
  const tools: Record<string, ToolConfig> = { "admin_*": { deny: true }, own: { cache: { ttl: "5m" } } };
  replica = await startReplica({
    origins: {
      o: {
        url: origin.url,
        tools: {
          shared: { cache: { ttl: "5m", scope: "public" } },
          brief: { cache: { ttl: "1s", staleIfError: "1h" } },
        },
      },
      d: { url: origin.url, lists: { defaultTtl: "5m" }, tools },
      z: { url: origin.url, tools },
    },
  });
  [open, denying, strict] = ["o", "d", "z"].map((id) => `${replica.url}/mcp/${id}`) as [string, string, string];
});
afterAll(async () => {
  await replica?.close();
  await origin.stop();
});
beforeEach(() => {
  origin.reset();
  origin.tools = [tool("ok"), tool("admin_x"), tool("own")];
});

const PING = { jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "t", arguments: {} } };
const OLD = { "mcp-protocol-version": "2025-03-26" };

describe("the type of a request", () => {
  test.each([
    "application/json; charset=utf-7",
    'application/json; charset="UTF-16"',
    "application/json;charset=iso-8859-1",
    "application/json; profile=x; CHARSET=utf-7",
  ])("%s is not taken", async (type) => {
    const got = await post(open, PING, { "content-type": type });
    expect(got.status).toBe(415);
    expect(origin.seen).toEqual([]);
  });

  test.each(["application/json; charset=utf-8", 'application/json; charset="UTF-8"', "Application/JSON;Charset=Utf-8"])(
    "%s is, and the origin gets the plain one",
    async (type) => {
      expect(said(await post(open, PING, { "content-type": type }))).toBe("t 1");
      expect(origin.last("tools/call").headers["content-type"]).toBe("application/json");
    },
  );

  test("does not let a denied tool's name pass in another encoding", async () => {
    const name = "+AGEAZABtAGkAbgBfAHg-";
    const body = { ...PING, params: { name, arguments: {} } };
    expect((await post(strict, body, { "content-type": "application/json; charset=utf-7" })).status).toBe(415);
    expect(origin.seen).toEqual([]);
  });
});

describe("where tools are denied", () => {
  test("a list in a session is a hit the second time, without them", async () => {
    makeStateful(origin);
    const session = await openAt(denying);
    expect(names(await inside(session, "tools/list"))).toEqual(["ok", "own"]);
    const second = await until(
      () => inside(session, "tools/list"),
      ({ cache }) => cache?.status === "hit",
      3_000,
    );
    expect(names(second)).toEqual(["ok", "own"]);
  });

  test.each([false, true])("a list in a session is kept for outages, without them (as a stream: %s)", async (sse) => {
    makeStateful(origin);
    origin.on("tools/list", () => ({ sse, result: { tools: origin.tools } }));
    const session = await openAt(strict);
    expect(names(await inside(session, "tools/list"))).toEqual(["ok", "own"]);
    await origin.stop();
    try {
      const stale = await until(
        () => inside(session, "tools/list"),
        ({ cache }) => cache?.status === "stale",
        3_000,
      );
      expect(names(stale)).toEqual(["ok", "own"]);
    } finally {
      await origin.start();
    }
  });

  test.each([[["admin_x"]], [1], [null], [{ name: "admin_x" }], [undefined], [true]])(
    "a call of the tool %j is refused",
    async (name) => {
      const got = await legacy(strict, "tools/call", { name, arguments: {} });
      expect([got.status, got.body.error.code, got.body.id]).toEqual([200, -32602, 1]);
      expect(origin.count("tools/call")).toBe(0);
    },
  );

  test("a GET stream that is taken up again does not show them either, and has its ids", async () => {
    makeStateful(origin);
    const session = await openAt(strict);
    const answer = (id: number) => JSON.stringify({ jsonrpc: "2.0", id, result: { tools: origin.tools } });
    const note = `{"jsonrpc":"2.0","method":"notifications/message","params":{"data":"tools"}}`;
    const events = `id: 2\ndata: ${answer(1)}\n\nid: 3\ndata: ${note}\n\nid: 4\ndata: ${answer(2)}\n\n`;
    origin.on("GET", () => ({ stream: (response) => response.end(events) }));
    const got = await beside("GET", session, { "last-event-id": "1" });
    expect(origin.last("GET").headers["last-event-id"]).toBe("1");
    expect(got.text).not.toContain("admin_x");
    expect(got.text.match(/^id: ?\d$/gm)).toEqual(["id: 2", "id: 3", "id: 4"]);
    const [one, two, three] = eventsIn(got.text);
    expect([one, three].map(({ id, result }) => [id, result.tools.length])).toEqual([
      [1, 2],
      [2, 2],
    ]);
    expect(two).toEqual(JSON.parse(note));
  });
});

describe("what may be kept", () => {
  test.each([false, true])("is asked for without a caller's headers of its own (as a stream: %s)", async (sse) => {
    origin.on("tools/call shared", ({ headers }) => ({ ...text(`to ${headers["mcp-name"]}`), sse }));
    const forged = { "mcp-name": "evil", "mcp-method": "evil/method" };
    const ask = { meta: { progressToken: 1 }, headers: forged };
    const first = await legacyCall(open, "shared", { sse }, ask);
    expect(said(first)).not.toContain("evil");
    const { headers } = origin.last("tools/call");
    expect(headers["mcp-name"] ?? "shared").toBe("shared");
    expect(headers["mcp-method"] ?? "tools/call").toBe("tools/call");
    const second = await until(
      () => legacyCall(open, "shared", { sse }),
      ({ cache }) => cache?.status === "hit",
      3_000,
    );
    expect(said(second)).toBe(said(first));
  });

  test("is not what came for a header that no argument answers for", async () => {
    origin.on("tools/call shared", ({ headers, nth }) => text(`${headers["mcp-param-x"]} ${nth}`));
    const args = { a: "stray" };
    const ask = { meta: { progressToken: 1 }, headers: { "mcp-param-x": "evil" } };
    expect(said(await legacyCall(open, "shared", args, ask))).toBe("evil 1");
    expect(said(await legacyCall(open, "shared", args))).toBe("undefined 2");
    const hit = await until(
      () => legacyCall(open, "shared", args),
      ({ cache }) => cache?.status === "hit",
      3_000,
    );
    expect(said(hit)).toContain("undefined");
  });

  test("in a session neither", async () => {
    makeStateful(origin);
    const session = await openAt(open);
    await inside(session, "tools/call", { name: "shared", arguments: { a: "session" } }, { "mcp-name": "evil" });
    expect(origin.last("tools/call").headers["mcp-name"] ?? "shared").toBe("shared");
  });
});

describe("an answer that opens another session", () => {
  test.each([
    ["JSON", false, undefined],
    ["JSON to a call with progress", false, { progressToken: 1 }],
    ["a stream", true, undefined],
    ["a stream to a call with progress", true, { progressToken: 1 }],
  ])("is not kept: %s", async (how, sse, meta) => {
    let mints = true;
    origin.on("tools/call shared", ({ nth }) => ({
      ...text(`${nth}`),
      sse,
      ...(mints && { headers: { "mcp-session-id": "minted" } }),
    }));
    const ask = () => legacyCall(open, "shared", { how }, meta && { meta });
    for (const words of ["1", "2", "3"]) expect([said(await ask()), words]).toEqual([words, words]);
    mints = false;
    const hit = await until(ask, ({ cache }) => cache?.status === "hit", 3_000);
    expect(Number(said(hit))).toBeGreaterThan(3);
  });
});

describe("an event stream", () => {
  test("that begins with a byte order mark is not held up by it", async () => {
    let go!: () => void;
    const heard = new Promise<void>((resolve) => (go = resolve));
    origin.on("tools/call", ({ id }) => ({
      stream: (response) => {
        response.write('\uFEFFdata: {"jsonrpc":"2.0","method":"notifications/message","params":{"data":"one"}}\n\n');
        void heard.then(() => {
          response.end(`data: {"jsonrpc":"2.0","id":${id},"result":{"content":[]}}\n\n`);
        });
      },
    }));
    const ear = await streamAt(open, {}, PING);
    try {
      await until(
        () => ear.messages.length,
        (count) => count === 1,
        3_000,
      );
    } finally {
      go();
    }
    expect(await ear.over()).toBe("end");
    expect(ear.messages.map(({ id, params }) => id ?? params.data)).toEqual(["one", 1]);
  });

  test("with an answer whose key is written with an escape gets no error behind it", async () => {
    const answer = String.raw`{"jsonrpc":"2.0","id":1,"\u0072esult":{"content":[]}}`;
    origin.on("tools/call", () => ({ stream: (response) => response.end(`data: ${answer}\n\n`) }));
    expect(eventsIn((await legacyCall(open, "t")).text)).toEqual([JSON.parse(answer)]);
  });

  test.each([
    [1, 2],
    [2, 1],
  ])("to a request with the ids %i and %i gets none either", async (one, two) => {
    const answer = `{"jsonrpc":"2.0","id":1,"result":{"content":[]}}`;
    origin.on("tools/call", () => ({ stream: (response) => response.end(`data: ${answer}\n\n`) }));
    const body = `{"jsonrpc":"2.0","id":${one},"id":${two},"method":"tools/call","params":{"name":"t"}}`;
    expect(eventsIn((await post(open, body)).text)).toEqual([JSON.parse(answer)]);
  });

  test("that breaks is readable with a stored answer of several lines in its place", async () => {
    makeStateful(origin);
    const session = await openAt(open);
    const result = { content: [{ type: "text", text: "first" }] };
    origin.on("tools/call brief", ({ id, nth }) =>
      nth === 1
        ? { text: JSON.stringify({ jsonrpc: "2.0", id, result }, null, 2) }
        : { stream: (response) => void response.write(": hi\n\n", () => response.socket?.destroy()) },
    );
    await callIn(session, "brief");
    const broken = await until(
      () => callIn(session, "brief"),
      ({ headers }) => headers["content-type"]!.includes("event-stream"),
    );
    const events = eventsIn(broken.text);
    expect(events).toHaveLength(1);
    expect([events[0].id, events[0].result.content[0].text]).toEqual([1, "first"]);
    expect(events[0].result._meta["edge-replica/cache"].status).toBe("stale");
  });
});

describe("a batch", () => {
  const nested = [[PING], { ...PING, id: 2 }];

  test.each([[[[]]], [[[PING, PING]]], [nested], [[[[PING]]]]])("with batches in it is refused: %j", async (batch) => {
    const got = await post(open, batch, OLD);
    expect([got.status, got.body.error.code]).toEqual([400, -32600]);
    expect(origin.seen).toEqual([]);
  });

  test("in a session too", async () => {
    makeStateful(origin);
    const session = await openAt(open, { version: "2025-03-26" });
    origin.seen = [];
    const got = await post(open, nested, session.headers);
    expect([got.status, got.body.error.code]).toEqual([400, -32600]);
    expect(origin.count("tools/call")).toBe(0);
  });

  test("is readable where an answer of several lines comes beside a stream", async () => {
    origin.on("tools/call a", ({ id }) => ({
      text: JSON.stringify({ jsonrpc: "2.0", id, result: { content: [] } }, null, 2).replaceAll("\n", "\r\n"),
    }));
    origin.on("tools/call b", () => ({ ...text("b"), sse: true }));
    const calls = ["a", "b"].map((name, index) => ({ ...PING, id: index + 1, params: { name } }));
    const got = await post(open, calls, OLD);
    expect(got.headers["content-type"]).toContain("event-stream");
    expect(
      eventsIn(got.text)
        .map(({ id }) => id)
        .toSorted(),
    ).toEqual([1, 2]);
  });
});

describe("headers", () => {
  test("Retry-After and Allow reach the caller beside a status that is no failure", async () => {
    origin.on("tools/call busy", () => ({
      status: 409,
      headers: { "retry-after": "7" },
      error: { code: -32000, message: "later" },
    }));
    origin.on("tools/call no", () => ({
      status: 405,
      headers: { allow: "GET" },
      error: { code: -32000, message: "no" },
    }));
    const look = ({ status, headers }: Awaited<ReturnType<typeof call>>) => [
      status,
      headers["retry-after"],
      headers["allow"],
    ];
    expect(look(await call(open, "busy"))).toEqual([409, "7", undefined]);
    expect(look(await legacyCall(open, "busy"))).toEqual([409, "7", undefined]);
    expect(look(await call(open, "no"))).toEqual([405, undefined, "GET"]);
    makeStateful(origin);
    const session = await openAt(open);
    expect(look(await callIn(session, "busy"))).toEqual([409, "7", undefined]);
    expect(look(await callIn(session, "no"))).toEqual([405, undefined, "GET"]);
  });

  test("an id of a session is short, however long the version is that was asked for", async () => {
    makeStateful(origin);
    const params = { protocolVersion: "2025-11-25".padEnd(20_000, "x"), capabilities: {}, clientInfo: {} };
    const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "initialize", params });
    const headers = { accept: "application/json", "content-type": "application/json" };
    const got = await send(open, { headers, body });
    expect((got.headers["mcp-session-id"] ?? "").length).toBeLessThan(2_000);
  });
});

test("what is refused here is refused to modern callers as well", async () => {
  expect(codeOf(await call(strict, "admin_x"))).toBeDefined();
  const got = await modern(strict, "tools/call", { name: ["admin_x"], arguments: {} });
  expect(got.body.error.code).toBe(-32602);
  expect(origin.count("tools/call")).toBe(0);
});
