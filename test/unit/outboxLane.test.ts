import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { resolve } from "../../src/config/resolve.ts";
import type { OriginConfig, ToolConfig } from "../../src/config/types.ts";
import { createApp } from "../../src/http/app.ts";
import type { ReplicaEvent } from "../../src/telemetry/events.ts";
import { answerForOrigins, until, WritingOrigin } from "./support/writing.ts";

let stop: () => void;
const origins: WritingOrigin[] = [];
const warned = vi.spyOn(console, "warn");
beforeAll(() => {
  stop = answerForOrigins();
  warned.mockImplementation(() => {});
});
afterAll(async () => {
  for (const { outbox } of origins) await runInDurableObject(outbox, (_, { storage }) => storage.deleteAlarm());
  stop();
  warned.mockRestore();
});

const TASKS = { extensions: { "io.modelcontextprotocol/tasks": {} } };
const ID = expect.stringMatching(/^er-op-[0-9a-f]{32}$/);

interface Asking {
  era?: "modern" | "legacy";
  /** The client capabilities of a modern caller. */
  declares?: object;
  meta?: Record<string, unknown>;
  headers?: Record<string, string>;
  /** What else is in the params. */
  more?: object;
  /** The body as it is. */
  text?: string;
  id?: unknown;
  signal?: AbortSignal;
}

/** A replica of an origin with such tools, and its callers. */
function setUp(
  tools: Record<string, ToolConfig>,
  { replica: others = {}, world = env, ...more }: Partial<OriginConfig> & { replica?: object; world?: object } = {},
) {
  const origin = new WritingOrigin();
  origins.push(origin);
  origin.tools = Object.keys(tools).map((name) => ({ name, inputSchema: { type: "object" } }));
  const { id } = origin.settings;
  const own = { url: `https://${origin.host}/mcp`, sync: { listen: "off" as const }, tools, ...more };
  const replica = resolve({ origins: { [id]: own }, access: { open: true }, ...others });
  const reports: ReplicaEvent[] = [];
  const background: Promise<unknown>[] = [];
  const app = createApp(replica, (event) => reports.push(event));
  const context = { waitUntil: (work: Promise<unknown>) => void background.push(work) } as unknown as ExecutionContext;
  const send = (name: string, args: unknown, asking: Asking = {}) => {
    const { era = "modern", declares = {}, meta, headers, more: params, text, id = 7, signal } = asking;
    const isModern = era === "modern";
    const envelope = {
      "io.modelcontextprotocol/protocolVersion": "2026-07-28",
      "io.modelcontextprotocol/clientCapabilities": declares,
    };
    const _meta = { ...(isModern && envelope), ...meta };
    const message = {
      jsonrpc: "2.0",
      id,
      method: "tools/call",
      params: { name, arguments: args, ...params, ...(Object.keys(_meta).length > 0 && { _meta }) },
    };
    const request = new Request("http://127.0.0.1/mcp", {
      method: "POST",
      headers: {
        "content-type": "application/json",
        accept: "application/json, text/event-stream",
        "mcp-protocol-version": isModern ? "2026-07-28" : "2025-06-18",
        ...(isModern && { "mcp-method": "tools/call", "mcp-name": name }),
        ...headers,
      },
      body: text ?? JSON.stringify(message),
      ...(signal && { signal }),
    });
    return app.fetch(request, world as Cloudflare.Env, context);
  };
  /** The response, and what it says. */
  const call = async (name: string, args: unknown, asking?: Asking): Promise<{ response: Response; said: any }> => {
    const response = await send(name, args, asking);
    const text = await response.text();
    return { response, said: text === "" ? undefined : JSON.parse(text) };
  };
  /** The result; or the code of the replica's own error, and what stands beside it. */
  const told = async (name: string, args: unknown, asking?: Asking) => {
    const { said } = await call(name, args, asking);
    const { correlationId: _, ...facts } = said.result?._meta?.["edge-replica/error"] ?? {};
    return "code" in facts ? facts : (said.result ?? said.error);
  };
  const drain = async () => {
    await origin.outbox.drain();
    await expect
      .poll(async () => {
        const { counts } = await origin.outbox.status();
        return counts.accepted + counts.leased + counts.retry;
      })
      .toBe(0);
  };
  return { origin, send, call, told, drain, reports, background };
}

const QUEUED: ToolConfig = { write: { queue: "when-down", invalidates: ["notes"] } };
const words = (text: string) => ({ content: [{ type: "text", text }] });

describe("while the origin is up", () => {
  test.each([
    ["modern", "modern"],
    ["modern", "stateless"],
    ["legacy", "modern"],
    ["legacy", "stateless"],
    ["modern", "sessions"],
    ["legacy", "sessions"],
  ] as const)("a %s caller has the answer of a %s origin, in the words of its own era", async (era, spoken) => {
    const { origin, call } = setUp({ note: QUEUED });
    origin.era = spoken;
    origin.script = ({ args }) => ({ result: { ...words("made"), structuredContent: args } });
    const { response, said } = await call("note", { n: 1 }, { era });
    expect(response.status).toBe(200);
    expect(said).toMatchObject({ jsonrpc: "2.0", id: 7, result: { ...words("made"), structuredContent: { n: 1 } } });
    expect("resultType" in said.result).toBe(era === "modern");
    expect(response.headers.get("cache-status")).toBe("edge-replica; fwd=bypass");
    origin.script = () => ({ result: { ...words("no"), isError: true } });
    expect((await call("note", { n: 2 }, { era })).said.result).toMatchObject({ ...words("no"), isError: true });
    origin.script = () => ({ error: { code: -32602, message: "never" } });
    expect((await call("note", { n: 3 }, { era })).said).toMatchObject({
      id: 7,
      error: { code: -32602, message: "never" },
    });
    expect(origin.numbers).toEqual([1, 2, 3]);
  });

  test("progress comes under the caller's token, then the answer, on a stream", async () => {
    const { origin, send } = setUp({ note: QUEUED });
    origin.script = ({ meta }) => {
      const progress = { progressToken: meta["progressToken"], progress: 1, total: 2, message: "half" };
      const events = [
        { jsonrpc: "2.0", method: "notifications/progress", params: progress },
        { jsonrpc: "2.0", id: 1, result: { resultType: "complete", ...words("made") } },
      ];
      const text = events.map((event) => `data: ${JSON.stringify(event)}\n\n`).join("");
      return new Response(text, { headers: { "content-type": "text/event-stream" } });
    };
    for (const era of ["modern", "legacy"] as const) {
      const response = await send("note", { n: 1 }, { era, meta: { progressToken: "mine" } });
      expect(response.headers.get("content-type")).toBe("text/event-stream");
      const events = [...(await response.text()).matchAll(/^data: (.*)$/gm)];
      const [first, last] = events.map(([, data]) => JSON.parse(data!) as any);
      expect(first).toMatchObject({
        method: "notifications/progress",
        params: { progressToken: "mine", progress: 1, total: 2, message: "half" },
      });
      expect(last).toMatchObject({ id: 7, result: words("made") });
    }
    // Who hears of none is answered as others are.
    origin.script = () => ({ result: words("quick") });
    const response = await send("note", { n: 2 }, { meta: { progressToken: 0 } });
    expect(response.headers.get("content-type")).toBe("application/json");
    expect(await response.json()).toMatchObject({ id: 7, result: words("quick") });
  });

  test("what nobody knows the end of says so, and what comes after it is refused", async () => {
    const { origin, told } = setUp({ note: QUEUED });
    origin.script = () => {
      throw new TypeError("connection lost");
    };
    expect(await told("note", { n: 1 })).toEqual({ code: "write_ambiguous", operationId: ID });
    expect(await told("note", { n: 2 })).toEqual({ code: "order_parked" });
    expect(origin.numbers).toEqual([1]);
  });

  test("who knows tasks has one at once where the operator would have it so, and its answer afterwards", async () => {
    const { origin, told, drain } = setUp({ note: { write: { queue: "always" } } });
    let mayEnd = false;
    origin.script = async () => {
      await until(() => mayEnd);
      return { result: words("made") };
    };
    const task = await told("note", { n: 1 }, { declares: TASKS });
    expect(task).toMatchObject({ resultType: "task", taskId: ID, status: "working", pollIntervalMs: 1_000 });
    await until(() => origin.calls.length === 1);
    mayEnd = true;
    await drain();
    expect(await origin.outbox.view(task.taskId, "anonymous")).toMatchObject({ state: "done" });
  });

  test("this isolate forgets what was changed before the caller hears of it", async () => {
    let stock = 5;
    const { origin, told } = setUp({
      sell: { write: { queue: "when-down", invalidates: ["stock"] } },
      stock: { cache: { ttl: "1h", tags: ["stock"] }, consistency: "bounded" },
    });
    origin.script = ({ tool }) => ({ result: words(String(tool === "sell" ? --stock : stock)) });
    expect(await told("stock", {})).toMatchObject(words("5"));
    stock = 50;
    expect(await told("stock", {})).toMatchObject(words("5"));
    expect(await told("sell", {})).toMatchObject(words("49"));
    expect(await told("stock", {})).toMatchObject(words("49"));
  });

  test("calls go the same way where the replica is switched off otherwise, and in a batch", async () => {
    const { origin, call, told } = setUp({ note: QUEUED }, { replica: { enabled: false } });
    origin.era = "stateless";
    expect(await told("note", { n: 1 }, { era: "legacy" })).toMatchObject({ structuredContent: { n: 1 } });
    const message = (id: number) => ({
      jsonrpc: "2.0",
      id,
      method: "tools/call",
      params: { name: "note", arguments: { n: id } },
    });
    const { said } = await call(
      "note",
      {},
      {
        era: "legacy",
        text: JSON.stringify([message(2), message(3)]),
        headers: { "mcp-protocol-version": "2025-03-26" },
      },
    );
    expect(said).toMatchObject([
      { id: 2, result: { structuredContent: { n: 2 } } },
      { id: 3, result: { structuredContent: { n: 3 } } },
    ]);
    expect((await origin.outbox.status()).counts.done).toBe(3);
  });
});

describe("while the origin is down", () => {
  const tools: Record<string, ToolConfig> = {
    note: QUEUED,
    tell: { write: { queue: "when-down", unlessTask: "notify", orderBy: "{pile}" } },
    same: { write: { idempotent: true } },
  };

  test("who knows tasks gets one, others a notice or a refusal; what was promised is sent once, in order", async () => {
    const { origin, told, call, drain } = setUp(tools);
    origin.isDown = true;
    const { said, response } = await call("note", { n: 1 }, { declares: TASKS });
    expect(said.result).toMatchObject({ resultType: "task", taskId: ID, status: "working" });
    expect([response.status, response.headers.get("cache-status")]).toEqual([200, null]);
    expect(await told("note", { n: 2 }, { declares: TASKS })).toMatchObject({ status: "working" });
    const notice = (await call("tell", { n: 3, pile: "a" }, { era: "legacy" })).said.result;
    expect(notice).toMatchObject({
      isError: true,
      content: [{ type: "text", text: expect.stringMatching(/^Queued, not executed/) }],
      _meta: { "edge-replica/error": { code: "write_queued", operationId: ID, retryAfterMs: expect.any(Number) } },
    });
    expect(notice.content[0].text).toContain(notice._meta["edge-replica/error"].operationId);
    for (const name of ["note", "same"]) {
      expect(await told(name, { n: 4 })).toEqual({ code: "origin_unavailable", retryAfterMs: expect.any(Number) });
    }
    expect(origin.calls).toEqual([]);
    origin.isDown = false;
    await drain();
    expect(origin.numbers.toSorted()).toEqual([1, 2, 3]);
    expect(origin.numbers.indexOf(1)).toBeLessThan(origin.numbers.indexOf(2));
  });

  test("more than a caller may have in the queue is refused, with when to come again", async () => {
    const { origin, told } = setUp(tools, { outbox: { callerDepth: 1 } });
    origin.isDown = true;
    expect(await told("note", { n: 1 }, { declares: TASKS })).toMatchObject({ status: "working" });
    expect(await told("note", { n: 2 }, { declares: TASKS })).toEqual({
      code: "queue_full",
      retryAfterMs: expect.any(Number),
    });
  });
});

test("calls count for their caller as those do that are relayed: those at once, and those that reach the origin", async () => {
  const counted: string[] = [];
  const ORIGIN_LIMIT = {
    limit: async ({ key }: { key: string }) => {
      counted.push(key);
      return { success: counted.length < 3 };
    },
  };
  const { origin, told } = setUp(
    { note: QUEUED },
    {
      replica: { access: { open: true, openOnPurpose: true }, limits: { concurrency: 1, origin: "ORIGIN_LIMIT" } },
      world: { ...env, ORIGIN_LIMIT },
    },
  );
  let mayEnd = false;
  origin.script = async () => {
    await until(() => mayEnd);
    return { result: words("made") };
  };
  const headers = { "cf-connecting-ip": "203.0.113.7" };
  const first = told("note", { n: 1 }, { headers });
  await until(() => origin.calls.length === 1);
  for (const meta of [{}, { progressToken: 1 }]) {
    expect(await told("note", { n: 2 }, { headers, meta })).toMatchObject({ code: "too_many_calls" });
  }
  mayEnd = true;
  expect(await first).toMatchObject(words("made"));
  // What is over has made room, on a stream too.
  expect(await told("note", { n: 3 }, { headers, meta: { progressToken: 1 } })).toMatchObject(words("made"));
  expect(await told("note", { n: 4 }, { headers })).toMatchObject({ code: "rate_limited" });
  expect([origin.numbers, counted.length, new Set(counted).size]).toEqual([[1, 3], 3, 1]);
});

describe("an idempotency key", () => {
  const KEY = "edge-replica/idempotency-key";
  const tools: Record<string, ToolConfig> = {
    note: { write: { queue: "when-down" } },
    other: { write: { queue: "when-down", idempotent: { argument: "request_id" } } },
    headed: { write: { idempotent: { header: "Idempotency-Key" } } },
    plain: {},
  };

  test("has a call executed once, however it is said, and whichever era it is said in", async () => {
    const { origin, told, call } = setUp(tools);
    const first = await told("note", { n: 1 }, { meta: { [KEY]: "k1" } });
    const again = await call("note", { n: 1 }, { headers: { "idempotency-key": '"k1"' } });
    expect(again.said.result).toEqual(first);
    expect(again.response.headers.get("cache-status")).toBe("edge-replica; fwd=bypass; detail=replay");
    const legacy = await told("note", { n: 1 }, { era: "legacy", headers: { "idempotency-key": "k1" } });
    const { resultType: _, ...rest } = first;
    expect(legacy).toEqual(rest);
    expect(await told("note", { n: 2 }, { meta: { [KEY]: "k1" } })).toEqual({ code: "idempotency_key_reused" });
    // It is the tool's.
    expect(await told("other", { n: 1 }, { meta: { [KEY]: "k1" } })).toMatchObject({ content: [] });
    expect(origin.calls.map(({ tool, args }) => [tool, args["n"]])).toEqual([
      ["note", 1],
      ["other", 1],
    ]);
  });

  test("has calls that meet executed once", async () => {
    const { origin, told } = setUp(tools);
    let mayEnd = false;
    origin.script = async () => {
      await until(() => mayEnd);
      return { result: words("made") };
    };
    const asking = { meta: { [KEY]: "k" } };
    const both = Promise.all([told("note", { n: 1 }, asking), told("note", { n: 1 }, asking)]);
    await until(() => origin.calls.length === 1);
    mayEnd = true;
    expect(await both).toMatchObject([words("made"), words("made")]);
    expect(origin.numbers).toEqual([1]);
  });

  test("given while the origin is down stands for the operation that waits, and for its outcome afterwards", async () => {
    const { origin, told, drain } = setUp(tools);
    origin.isDown = true;
    const asking = { declares: TASKS, headers: { "idempotency-key": "k" } };
    const { taskId } = await told("note", { n: 2 }, asking);
    expect(await told("note", { n: 2 }, asking)).toMatchObject({ taskId, status: "working" });
    expect(await told("note", { n: 3 }, asking)).toEqual({ code: "idempotency_key_reused" });
    origin.isDown = false;
    await drain();
    expect(await told("note", { n: 2 }, asking)).toMatchObject({ structuredContent: { n: 2 } });
    expect(origin.numbers).toEqual([2]);
  });

  test("reaches the origin as one of the replica's own, the same each time; a caller's own argument stays", async () => {
    const { origin, told } = setUp(tools);
    await told("other", { n: 1 }, { meta: { [KEY]: "k1" } });
    await told("other", { n: 2 });
    await told("other", { n: 3, request_id: "mine" });
    await told("other", { n: 4, request_id: 12 });
    await told("headed", { n: 5 }, { meta: { [KEY]: "k1" } });
    const given = origin.calls.map(({ args, headers }) => args["request_id"] ?? headers.get("idempotency-key"));
    const own = expect.stringMatching(/^[0-9a-f]{32}$/);
    expect(given).toEqual([own, own, "mine", 12, own]);
    expect(new Set(given).size).toBe(5);
    expect(await told("other", { request_id: {} })).toMatchObject({ code: -32602 });
    // It is kept beside the arguments, where there is no room for whatever an argument may be.
    expect(await told("other", { request_id: "x".repeat(1_025) })).toMatchObject({ code: -32602 });
    expect(origin.calls).toHaveLength(5);
  });

  test.each([
    ["no string", { meta: { [KEY]: 5 } }],
    ["empty", { meta: { [KEY]: "" } }],
    ["too long", { headers: { "idempotency-key": "k".repeat(256) } }],
    ["two of them", { headers: { "idempotency-key": "a, b" } }],
    ["two that differ", { meta: { [KEY]: "a" }, headers: { "idempotency-key": "b" } }],
  ] as [string, Asking][])("that is none (%s) is refused", async (_, asking) => {
    const { origin, told } = setUp(tools);
    expect(await told("note", { n: 1 }, asking)).toEqual({ code: "idempotency_key_invalid" });
    expect(origin.calls).toEqual([]);
  });

  test("is refused where nobody would keep it; as a header it says nothing there", async () => {
    const { origin, told } = setUp(tools);
    expect(await told("plain", { n: 1 }, { meta: { [KEY]: "k" } })).toEqual({ code: "idempotency_unsupported" });
    expect(origin.calls).toEqual([]);
    expect(await told("plain", { n: 1 }, { headers: { "idempotency-key": "k" } })).toMatchObject({ content: [] });
  });
});

describe("a call that is not perfectly formed", () => {
  const envelope = `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}`;
  const text = (params: string, id = `"id":7,`) =>
    `{"jsonrpc":"2.0",${id}"method":"tools/call","params":{"name":"note",${params}${envelope}}}`;
  test.each([
    ["a number that no double holds", { text: text(`"arguments":{"n":9007199254740993},`) }, -32602],
    ["a key twice", { text: text(`"arguments":{"n":1,"n":2},`) }, -32600],
    ["a task asked for", { more: { task: { ttl: 1 } } }, -32602],
    ["an answer to a question", { more: { inputResponses: {} } }, -32602],
    ["a state to go on from", { more: { requestState: "s" } }, -32602],
    ["arguments that are none", { text: text(`"arguments":[1],`) }, -32602],
    ["half a character", { text: text(`"arguments":{"n":"\\ud800"},`) }, -32602],
    ["a word of a vendor's", { meta: { "acme/branch": "x" } }, -32602],
    ["another name in the header", { headers: { "mcp-name": "plain" } }, -32020],
    ["no name in the header", { headers: { "mcp-name": "" } }, -32020],
    ["another method in the header", { headers: { "mcp-method": "ping" } }, -32020],
    ["a version that nobody knows", { headers: { "mcp-protocol-version": "2030-01-01" } }, -32020],
    ["no stream accepted", { headers: { accept: "application/json" } }, -32600],
    ["an id that is none", { id: 1.5 }, -32600],
    ["a request that wants no answer", { text: text(`"arguments":{},`, "") }, undefined],
    ["a header of an argument that says something else", { headers: { "mcp-param-n": "2" } }, -32020],
    ["only what is stored", { headers: { "cache-control": "only-if-cached" } }, "not_cached"],
  ] as [string, Asking, unknown][])("%s is refused, and not passed on", async (_, asking, code) => {
    for (const enabled of [true, false]) {
      const { origin, call } = setUp({ note: QUEUED }, { replica: { enabled } });
      const n = { type: "number", "x-mcp-header": "n" };
      if (asking.headers?.["mcp-param-n"] !== undefined) {
        // Where nothing is looked up, the header goes nowhere: the replica writes it itself.
        if (!enabled) continue;
        origin.tools = [{ name: "note", inputSchema: { type: "object", properties: { n } } }];
      }
      const { said, response } = await call("note", { n: 1 }, asking);
      const found = said?.error?.code ?? said?.result?._meta?.["edge-replica/error"]?.code;
      if (code === undefined) expect(response.status).toBe(400);
      else expect(found, JSON.stringify(said)).toBe(code);
      expect(origin.calls).toEqual([]);
    }
  });

  test("what only observes, and what the operator has passed over, prevents nothing", async () => {
    const { told } = setUp({ note: QUEUED }, { replica: { ignoreMeta: ["acme/*"] } });
    const meta = { "acme/branch": "x", "openai/userLocation": { city: "Bern" }, traceparent: "t" };
    expect(await told("note", { n: 1 }, { meta })).toMatchObject({ structuredContent: { n: 1 } });
  });

  test("arguments that the tool's schema rules out are refused; one that the replica fills in may be missing", async () => {
    const { origin, told, send } = setUp(
      { note: { write: { queue: "when-down", idempotent: { argument: "request_id" } }, validate: true } },
      { lists: { defaultTtl: "1m" } },
    );
    const properties = { n: { type: "number" }, request_id: { type: "string" } };
    origin.tools = [{ name: "note", inputSchema: { type: "object", properties, required: ["n", "request_id"] } }];
    const list = JSON.stringify({
      jsonrpc: "2.0",
      id: 1,
      method: "tools/list",
      params: {
        _meta: {
          "io.modelcontextprotocol/protocolVersion": "2026-07-28",
          "io.modelcontextprotocol/clientCapabilities": {},
        },
      },
    });
    const listed = await send("", {}, { text: list, headers: { "mcp-method": "tools/list" } });
    expect(await listed.text()).toContain("request_id");
    expect(await told("note", { n: "x" })).toMatchObject({ code: "invalid_arguments" });
    expect(await told("note", { n: 2 })).toMatchObject({ structuredContent: { n: 2 } });
    expect(origin.numbers).toEqual([2]);
  });
});

describe("a caller who leaves", () => {
  test("takes back what was not sent yet, in the modern revision; in the others it goes on", async () => {
    const { origin, send } = setUp({ note: QUEUED });
    let mayEnd = false;
    origin.script = async () => {
      await until(() => mayEnd);
      return { result: words("made") };
    };
    const gone = new AbortController();
    const one = send("note", { n: 1 });
    await until(() => origin.calls.length === 1);
    const others = [
      send("note", { n: 2 }, { signal: gone.signal }),
      send("note", { n: 3 }, { signal: gone.signal, era: "legacy" }),
    ];
    await expect.poll(async () => (await origin.outbox.status()).counts.accepted).toBe(2);
    gone.abort();
    await expect.poll(async () => (await origin.outbox.status()).counts.accepted).toBe(1);
    mayEnd = true;
    await Promise.all([one, ...others]);
    expect(origin.numbers).toEqual([1, 3]);
  });
});

describe("an outbox that fails", () => {
  const failing = (times: number) => {
    const ids: string[] = [];
    const OUTBOX = {
      idFromName: (name: string) => env.OUTBOX.idFromName(name),
      get: (id: DurableObjectId) => ({
        submit: async (submission: { id: string }) => {
          ids.push(submission.id);
          const object = env.OUTBOX.get(id) as unknown as { submit(given: unknown): Promise<unknown> };
          // The first time it is lost after it has taken the call.
          const submitted = await object.submit(submission);
          if (ids.length <= times) throw new Error("lost");
          return submitted;
        },
      }),
    };
    return { ids, world: { ...env, OUTBOX } };
  };

  test("is asked once more, under the same id: the call is taken once", async () => {
    const { ids, world } = failing(1);
    const { origin, told } = setUp({ note: QUEUED }, { world });
    expect(await told("note", { n: 1 })).toMatchObject({ structuredContent: { n: 1 } });
    expect(ids).toEqual([ids[0], ids[0]]);
    expect(origin.numbers).toEqual([1]);
  });

  test("and fails again leaves the caller with the id to ask for", async () => {
    const { ids, world } = failing(9);
    const { told, reports } = setUp({ note: QUEUED }, { world });
    expect(await told("note", { n: 1 })).toEqual({
      code: "outbox_unavailable",
      operationId: ids[0],
      retryAfterMs: 1_000,
    });
    expect(ids).toHaveLength(2);
    expect(reports).toContainEqual(expect.objectContaining({ type: "outbox-unreachable", operation: ids[0] }));
  });
});
