import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { Fixture, type Reply, text, tool } from "./support/fixture.ts";
import { type Replica, startReplica, stored } from "./support/replica.ts";
import {
  call,
  codeOf,
  type Got,
  legacy,
  legacyCall,
  modern,
  modernBody,
  modernHeaders,
  said,
  send,
} from "./support/wire.ts";

const origin = new Fixture();
const second = new Fixture();
const READS = { annotations: { readOnlyHint: true } };
const WRITES = { annotations: { readOnlyHint: false } };
let replica: Replica;
const at = (id: string) => `${replica.url}/mcp/${id}`;

beforeAll(async () => {
  await Promise.all([origin.start(), second.start()]);
  const tools = [
    tool("get_a", READS),
    tool("get_b"),
    tool("get_c", WRITES),
    tool("write", WRITES),
    tool("free", READS),
    tool("named", READS),
    tool("admin_drop", READS),
    tool("admin_show", READS),
  ];
  origin.tools = tools;
  second.tools = tools;
  const cache = { ttl: "10m" } as const;
  const { url } = origin;
  replica = await startReplica(
    {
      origins: {
        o: { url, default: true, tools: { "get_*": { cache }, write: { cache } }, prompts: { p: { cache } } },
        annotated: { url, annotated: { ttl: "10m" }, tools: { named: {} } },
        denied: {
          url,
          lists: { defaultTtl: "10m" },
          tools: { "admin_*": { deny: true }, admin_show: { cache }, secret: { deny: true } },
        },
        second: { url: second.url, tools: { get_a: { cache } } },
      },
      limits: { entry: "20KB" },
    },
    { vars: { REPLICA_LOG: "json" } },
  );
});
beforeEach(() => {
  origin.reset();
  second.reset();
});
afterAll(async () => {
  await replica?.close();
  await Promise.all([origin.stop(), second.stop()]);
});

const ERAS: [string, typeof call][] = [
  ["modern", call],
  ["legacy", legacyCall],
];

/** Whether a second call of the same is answered from the cache. */
async function isCached(ask: () => Promise<Got>): Promise<boolean> {
  await ask();
  return (await ask()).cache?.status === "hit";
}

describe.each(ERAS)("for a %s caller", (era, ask) => {
  test("a pattern caches the tools that the origin calls read-only, and no others", async () => {
    const cached = (name: string) => isCached(() => ask(at("o"), name, { era }));
    expect(await cached("get_a")).toBe(true);
    expect(await cached("get_b")).toBe(false);
    expect(await cached("get_c")).toBe(false);
    expect(await cached("get_unknown")).toBe(false);
  });

  test("an exact name is cached whatever the origin calls it", async () => {
    expect(await isCached(() => ask(at("o"), "write", { era }))).toBe(true);
  });

  test("a tool that nothing names is relayed each time", async () => {
    for (const nth of [1, 2, 3]) expect(said(await ask(at("o"), "named", { era }))).toBe(`named ${nth}`);
  });

  test("annotated caches what is read-only and not named", async () => {
    const cached = (name: string) => isCached(() => ask(at("annotated"), name, { era }));
    expect(await cached("free")).toBe(true);
    expect(await cached("get_b")).toBe(false);
    expect(await cached("write")).toBe(false);
    expect(await cached("named")).toBe(false);
  });

  test("prompts are cached only where the operator says so", async () => {
    const get = era === "modern" ? modern : legacy;
    expect(await isCached(() => get(at("o"), "prompts/get", { name: "p", arguments: { era } }))).toBe(true);
    expect(await isCached(() => get(at("o"), "prompts/get", { name: "q", arguments: { era } }))).toBe(false);
  });

  test("a denied tool is refused in a sentence, and the origin hears nothing", async () => {
    for (const name of ["admin_drop", "secret", "admin_"]) {
      const got = await ask(at("denied"), name);
      expect([got.status, got.body.result.isError, codeOf(got)]).toEqual([200, true, "denied"]);
      expect(said(got)).toContain(name);
    }
    expect(origin.count("tools/call")).toBe(0);
    expect(said(await ask(at("denied"), "admin_show", { era }))).toBe("admin_show 1");
  });
});

test("a write that is cached by name draws a warning, once", async () => {
  const warnings = () => replica.lines.filter((line) => line.includes("policy-warning") && line.includes('"write"'));
  await modern(at("o"), "tools/list");
  await modern(at("o"), "tools/list");
  await expect.poll(warnings).toHaveLength(1);
});

describe("a denied tool", () => {
  const names = ({ body }: Got) => body.result.tools.map(({ name }: { name: string }) => name);
  const SHOWN = ["get_a", "get_b", "get_c", "write", "free", "named", "admin_show"];

  test("is not in the list, filled or kept, in either era", async () => {
    for (const list of [modern, legacy, modern, legacy])
      expect(names(await list(at("denied"), "tools/list"))).toEqual(SHOWN);
  });

  test("is not in a list that is relayed, as JSON or as a stream", async () => {
    for (const sse of [false, true]) {
      origin.sse = sse;
      const meta = { "acme/tenant": `${sse}` };
      for (const list of [modern, legacy])
        expect(names(await list(at("denied"), "tools/list", {}, { meta }))).toEqual(SHOWN);
    }
  });

  test.each([
    ["two names", '"name":"free","name":"admin_drop"'],
    ["two names in the other order", '"name":"admin_drop","name":"free"'],
    ["an escaped second name", '"name":"free","n\\u0061me":"admin_drop"'],
  ])("cannot be smuggled past by %s", async (_, name) => {
    const body = modernBody("tools/call", { name: "free" }).replace('"name":"free"', name);
    expect(body).toContain("admin_drop");
    const got = await send(at("denied"), { headers: modernHeaders("tools/call", { name: "free" }), body });
    expect([got.status, codeOf(got)]).toEqual([400, "duplicate_keys"]);
    const params = `"params":{"name":"free"},"params":{"name":"admin_drop"}`;
    const twice = `{"jsonrpc":"2.0","id":1,"method":"tools/call",${params}}`;
    expect((await send(at("denied"), { headers: modernHeaders("tools/call"), body: twice })).status).toBe(400);
    expect(origin.count("tools/call")).toBe(0);
  });

  test.each([
    ["an escaped name", {}, '"name":"admin_\\u0064rop"'],
    ["wrong headers", { "mcp-name": "free" }, '"name":"admin_drop"'],
    ["a session", { "mcp-session-id": "s" }, '"name":"admin_drop"'],
    ["a number that no double holds", {}, '"n":9007199254740993,"name":"admin_drop"'],
    ["a vendor's member", {}, '"x":1,"name":"admin_drop"'],
  ])("cannot be called with %s", async (_, headers, name) => {
    const body = modernBody("tools/call", { name: "free" }).replace('"name":"free"', name);
    const sent = { ...modernHeaders("tools/call", { name: "admin_drop" }), ...headers };
    expect(codeOf(await send(at("denied"), { headers: sent, body }))).toBe("denied");
    expect(origin.count("tools/call")).toBe(0);
  });
});

describe("never kept, although the operator caches the tool, is", () => {
  const RESULTS: [string, Reply][] = [
    ["a tool's failure", text("failed", { isError: true })],
    ["an error of JSON-RPC", { error: { code: -32603, message: "failed" } }],
    ["a task", text("task", { resultType: "task", task: { taskId: "t" } })],
    ["a question back", text("ask", { resultType: "input_required", inputRequests: {} })],
    ["a result of no known type", text("new", { resultType: "acme" })],
    ["a result that is too large", text("x".repeat(30_000))],
    ["an answer with another status than 200", { ...text("odd"), status: 203 }],
    ["an answer that opens a session", { ...text("session"), headers: { "mcp-session-id": "s1" } }],
  ];

  test.each(RESULTS)("%s", async (what, reply) => {
    origin.on("tools/call write", () => reply);
    for (const [, ask] of ERAS) {
      for (let nth = 0; nth < 2; nth++) {
        const got = await ask(at("o"), "write", { what });
        expect(got.cache).toBeUndefined();
        if (reply.error) expect(got.body.error).toEqual(reply.error);
        else expect(said(got)).toBe((reply.result!["content"] as { text: string }[])[0]!.text);
      }
    }
    expect(origin.count("tools/call", "write")).toBe(4);
    // The caller's next call, with an answer that may be kept, shows that it was not for the tool's sake.
    origin.on("tools/call write", () => text("fine"));
    expect(said(await call(at("o"), "write", { what }))).toBe("fine");
  });

  test("a result without a type in the modern era", async () => {
    const result = '"result":{"content":[{"type":"text","text":"bare"}]}';
    origin.on("tools/call write", ({ id }) => ({ text: `{"jsonrpc":"2.0","id":${id},${result}}` }));
    expect(await isCached(() => call(at("o"), "write", { bare: 1 }))).toBe(false);
  });

  test("a result with two members of one name", async () => {
    const result = '"result":{"resultType":"complete","content":[],"content":[{"type":"text","text":"x"}]}';
    origin.on("tools/call write", ({ id }) => ({ text: `{"jsonrpc":"2.0","id":${id},${result}}` }));
    expect(await isCached(() => call(at("o"), "write", { twice: 1 }))).toBe(false);
  });

  test("the answer to a continuation, nor is it answered from what is kept", async () => {
    await call(at("o"), "write", { more: 1 });
    for (const more of [{ inputResponses: {} }, { requestState: "opaque" }, { task: {} }]) {
      const got = await modern(at("o"), "tools/call", { name: "write", arguments: { more: 1 }, ...more });
      expect(got.cache).toBeUndefined();
      expect(origin.last("tools/call").params).toMatchObject(more);
    }
    expect(said(await call(at("o"), "write", { more: 1 }))).toBe("write 1");
  });
});

describe("several origins", () => {
  test("each have a path, and keep their answers apart", async () => {
    await call(at("o"), "get_a", { apart: 1 });
    const got = await call(at("second"), "get_a", { apart: 1 });
    expect([got.cache?.status, said(got)]).toEqual(["miss", "get_a 1"]);
    expect([origin.count("tools/call"), second.count("tools/call")]).toEqual([1, 1]);
    expect((await stored(replica, "tools/call", "second")).length).toBeGreaterThan(0);
  });

  test("are served at /mcp by the one that is the default", async () => {
    await call(replica.mcp, "get_a", { default: 1 });
    expect((await call(at("o"), "get_a", { default: 1 })).cache?.status).toBe("hit");
    expect(second.count("tools/call")).toBe(0);
  });

  test("without a default are not served at /mcp", async () => {
    const none = await startReplica({ origins: { a: { url: origin.url }, b: { url: second.url } } });
    try {
      const got = await call(none.mcp, "get_a");
      expect([got.status, codeOf(got)]).toEqual([404, "not_found"]);
      expect(said(await call(`${none.mcp}/b`, "get_a"))).toBe("get_a 1");
    } finally {
      await none.close();
    }
  });
});

test.each([
  ["enabled: false", { enabled: false }, {}],
  ['the var REPLICA_CACHE="off"', {}, { REPLICA_CACHE: "off" }],
])("%s relays every call, and still refuses what is denied", async (_, more, vars: Record<string, string>) => {
  const tools = { write: { cache: { ttl: "10m" } }, admin_drop: { deny: true } } as const;
  const off = await startReplica({ origins: { o: { url: origin.url, tools } }, ...more }, { vars });
  try {
    for (const [, ask] of ERAS) expect(await isCached(() => ask(off.mcp, "write"))).toBe(false);
    expect(origin.count("tools/call", "write")).toBe(4);
    for (const nth of [1, 2]) {
      expect((await modern(off.mcp, "server/discover")).cache).toBeUndefined();
      expect(origin.count("server/discover")).toBe(nth);
    }
    expect(codeOf(await call(off.mcp, "admin_drop"))).toBe("denied");
    const { tools: shown } = (await legacy(off.mcp, "tools/list")).body.result;
    expect(shown.map(({ name }: { name: string }) => name)).not.toContain("admin_drop");
    expect((await off.store.list()).keys).toEqual([]);
  } finally {
    await off.close();
  }
});
