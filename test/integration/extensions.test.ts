import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { Fixture, text, tool } from "./support/fixture.ts";
import { type Replica, startReplica } from "./support/replica.ts";
import { makeStateful } from "./support/stateful.ts";
import { type Ask, call, codeOf, type Got, legacy, legacyCall, modern } from "./support/wire.ts";
import { modernBody, modernHeaders, type Params, said, send, until } from "./support/wire.ts";

const origin = new Fixture();
const stateful = new Fixture();
let replica: Replica;

const CACHE = { cache: { ttl: "10m", scope: "public" } } as const;
const TOOLS = [tool("kept"), tool("plain")];

beforeAll(async () => {
  await Promise.all([origin.start(), stateful.start()]);
  origin.tools = TOOLS;
  const tools = { kept: CACHE };
  const prompts = { p: CACHE };
  const more = { tools, prompts, resources: { "x://*": { cache: { ttl: "10m" } } } } as const;
  replica = await startReplica({
    origins: {
      o: { url: origin.url, ...more, default: true },
      s: { url: stateful.url, ...more },
    },
  });
  await call(replica.mcp, "kept", { warm: 1 });
});
beforeEach(() => {
  origin.reset();
  origin.tools = TOOLS;
  stateful.reset();
});
afterEach(() => origin.start().catch(() => {}));
afterAll(async () => {
  await replica?.close();
  await Promise.all([origin.stop(), stateful.stop()]);
});

const statusOf = ({ cache }: Got) => cache?.status;
const ONLY_CACHED = { headers: { "cache-control": "only-if-cached" } };
let nth = 0;
const unique = (): Params => ({ nth: ++nth });

describe("multi round-trip requests", () => {
  const REQUESTS: [method: string, params: () => Params, good: Record<string, unknown>][] = [
    ["tools/call", () => ({ name: "kept", arguments: unique() }), { content: [] }],
    ["prompts/get", () => ({ name: "p", arguments: { nth: `${++nth}` } }), { messages: [] }],
    ["resources/read", () => ({ uri: `x://${++nth}` }), { contents: [], ttlMs: 60_000, cacheScope: "public" }],
  ];
  const STATES = ["", "plain", 'é "quoted" \\ \u2028 \u0000', "=?base64?eA==?=", "a\nb\r\n", "😀".repeat(5_000)];

  test.each(REQUESTS)("input_required from %s passes, and is not kept", async (method, make) => {
    const asked = { method: "elicitation/create", params: { message: "Which?", ttlMs: 1 } };
    for (const requestState of STATES) {
      const what = make();
      origin.on(method, () => ({
        result: {
          resultType: "input_required",
          requestState,
          inputRequests: { a: asked },
          ttlMs: 60_000,
          cacheScope: "public",
        },
      }));
      for (let times = 0; times < 2; times++) {
        const { body } = await modern(replica.mcp, method, what, { capabilities: { elicitation: {} } });
        expect(body.result).toMatchObject({ resultType: "input_required", requestState, inputRequests: { a: asked } });
      }
      expect(origin.count(method)).toBe(2);
      origin.seen = [];
    }
  });

  test.each(REQUESTS)("a continuation of %s passes by the cache, byte for byte", async (method, make, good) => {
    const what = make();
    origin.on(method, () => ({ result: { ...good, _meta: { from: "the first" } } }));
    await modern(replica.mcp, method, what);
    expect(statusOf(await modern(replica.mcp, method, what))).toBe("hit");
    origin.on(method, () => ({ result: { ...good, _meta: { from: "a continuation" } } }));
    for (const requestState of STATES) {
      for (const more of [
        { requestState },
        { requestState, inputResponses: { a: { action: "accept" } } },
        { inputResponses: {} },
      ]) {
        const body = modernBody(method, { ...what, ...more });
        const got = await send(replica.mcp, { headers: modernHeaders(method, what), body });
        expect([got.cache, got.body.result._meta.from]).toEqual([undefined, "a continuation"]);
        expect(origin.seen.at(-1)!.text).toBe(body);
      }
    }
    const kept = await modern(replica.mcp, method, what);
    expect([statusOf(kept), kept.body.result._meta.from]).toEqual(["hit", "the first"]);
  });

  test("a continuation is answered by nobody but the origin", async () => {
    const what = { name: "kept", arguments: unique(), requestState: "s" };
    origin.on("tools/call", () => text("continued"));
    await modern(replica.mcp, "tools/call", what);
    expect(codeOf(await call(replica.mcp, "kept", what.arguments, ONLY_CACHED))).toBe("not_cached");
    await call(replica.mcp, "kept", what.arguments);
    await origin.stop();
    expect(codeOf(await modern(replica.mcp, "tools/call", what))).toBe("origin_unavailable");
    expect(statusOf(await call(replica.mcp, "kept", what.arguments))).toBe("hit");
  });
});

describe("tasks", () => {
  const TASKS = { capabilities: { extensions: { "io.modelcontextprotocol/tasks": {} } } };
  const task = {
    resultType: "task",
    taskId: "t/1 é",
    status: "working",
    ttlMs: 600_000,
    cacheScope: "public",
    pollIntervalMs: 5,
  };

  test("a task is told to who can take it, and never kept", async () => {
    origin.on("tools/call", ({ params }) =>
      params._meta["io.modelcontextprotocol/clientCapabilities"].extensions ? { result: task } : text("complete"),
    );
    for (const name of ["kept", "plain"]) {
      for (const meta of [{}, { progressToken: 1 }]) {
        const args = unique();
        for (let times = 0; times < 2; times++) {
          const { body, cache } = await call(replica.mcp, name, args, { ...TASKS, meta });
          expect([body.result, cache]).toEqual([task, undefined]);
          expect(said(await call(replica.mcp, name, args))).toBe("complete");
        }
        expect(codeOf(await call(replica.mcp, name, args, { ...TASKS, ...ONLY_CACHED }))).toBe("not_cached");
      }
    }
  });

  test("tasks/get, tasks/update and tasks/cancel pass as they are, with Mcp-Name, each time", async () => {
    for (const method of ["tasks/get", "tasks/update", "tasks/cancel"]) {
      const result = { ...task, resultType: "complete", status: "completed", result: { content: [] } };
      origin.on(method, () => ({ result }));
      const what = { taskId: "t/1 é" };
      const headers = { ...modernHeaders(method), "mcp-name": "=?base64?dC8xIMOp?=" };
      const body = modernBody(method, what, TASKS);
      for (let times = 1; times <= 2; times++) {
        const got = await send(replica.mcp, { headers, body });
        expect([got.status, got.body.result, got.cache]).toEqual([200, result, undefined]);
        const seen = origin.last(method);
        expect([seen.headers["mcp-name"], seen.text, origin.count(method)]).toEqual([headers["mcp-name"], body, times]);
      }
    }
  });

  test("the earlier revision's params.task passes, and neither finds nor leaves anything", async () => {
    const args = unique();
    origin.on("tools/call", ({ params }) =>
      params.task ? { result: { task: { taskId: "t2", status: "working", ttl: 60_000 } } } : text("complete"),
    );
    await legacyCall(replica.mcp, "kept", args);
    for (const more of [args, unique()]) {
      const what = { name: "kept", arguments: more, task: { ttl: 60_000 } };
      for (let times = 0; times < 2; times++) {
        expect((await legacy(replica.mcp, "tools/call", what)).body.result.task.taskId).toBe("t2");
        expect(origin.last("tools/call").params).toEqual(what);
      }
    }
    expect(said(await legacyCall(replica.mcp, "kept", args))).toBe("complete");
    for (const method of ["tasks/get", "tasks/result", "tasks/list", "tasks/cancel"]) {
      origin.on(method, () => ({ result: { of: method } }));
      expect((await legacy(replica.mcp, method, { taskId: "t2" })).body.result.of).toBe(method);
    }
  });
});

describe("the _meta of requests", () => {
  const TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  const OBSERVING: Record<string, unknown> = {
    "claudecode/toolUseId": "toolu_1",
    "claudecode/sessionId": "s",
    "vscode.conversationId": "c",
    "vscode.requestId": "r",
    "openai/session": "v1",
    "openai/userAgent": "ChatGPT",
    "openai/subject": "u",
    progressToken: "p",
    traceparent: TRACE,
    tracestate: "a=b",
    baggage: "c=d",
    "io.modelcontextprotocol/logLevel": "debug",
  };
  const CHANGING = [
    "openai/locale",
    "openai/userLocation",
    "openai/Locale",
    "acme/tenant",
    "claudecode",
    "vscode",
    "openai",
    "x.claudecode/y",
  ];

  test.each(Object.keys(OBSERVING))("%s neither prevents a hit nor goes into a fill, in both eras", async (key) => {
    const meta = { [key]: OBSERVING[key] };
    for (const ask of [call, legacyCall]) {
      const args = unique();
      const first = await ask(replica.mcp, "kept", args, { meta });
      // Who asks for progress is streamed to, with all that belongs to it.
      if (key === "progressToken")
        await until(
          () => ask(replica.mcp, "kept", args, ONLY_CACHED),
          (got) => !codeOf(got),
        );
      else {
        expect(statusOf(first)).toBe("miss");
        expect(Object.keys(origin.last("tools/call").params._meta ?? {})).not.toContain(key);
      }
      const another = { [key]: key.endsWith("logLevel") ? "error" : "another" };
      expect(statusOf(await ask(replica.mcp, "kept", args, { meta: another }))).toBe("hit");
      expect(statusOf(await ask(replica.mcp, "kept", args))).toBe("hit");
      expect(origin.count("tools/call")).toBe(1);
      origin.seen = [];
    }
  });

  test.each(CHANGING)("%s passes by the cache, and reaches the origin", async (key) => {
    for (const ask of [call, legacyCall]) {
      const args = unique();
      await ask(replica.mcp, "kept", args);
      for (let times = 2; times <= 3; times++) {
        const got = await ask(replica.mcp, "kept", args, { meta: { [key]: "fr" } });
        expect([statusOf(got), said(got)]).toEqual([undefined, `kept ${times}`]);
        expect(origin.last("tools/call").params._meta[key]).toBe("fr");
      }
      expect(said(await ask(replica.mcp, "kept", args))).toBe("kept 1");
      origin.seen = [];
    }
  });
});

describe("capabilities", () => {
  const CLASSES = [
    {},
    { elicitation: {} },
    { elicitation: { form: {} } },
    { sampling: {} },
    { extensions: { "a/b": {} } },
  ];

  test("of modern callers make answers of their own, whatever their order", async () => {
    const args = unique();
    origin.on("tools/call", ({ params }) =>
      text(JSON.stringify(params._meta["io.modelcontextprotocol/clientCapabilities"])),
    );
    for (const status of ["miss", "hit"]) {
      for (const capabilities of CLASSES) {
        const got = await call(replica.mcp, "kept", args, { capabilities });
        expect([statusOf(got), said(got)]).toEqual([status, JSON.stringify(capabilities)]);
      }
    }
    await call(replica.mcp, "kept", args, { capabilities: { sampling: {}, elicitation: {} } });
    const turned = await call(replica.mcp, "kept", args, { capabilities: { elicitation: {}, sampling: {} } });
    expect(statusOf(turned)).toBe("hit");
  });

  test("of legacy sessions make answers of their own, though all is public", async () => {
    makeStateful(stateful);
    const url = `${replica.url}/mcp/s`;
    const args = unique();
    const open = async (capabilities: object): Promise<Ask> => {
      const got = await legacy(
        url,
        "initialize",
        { protocolVersion: "2025-11-25", capabilities, clientInfo: { name: "test", version: "1" } },
        { headers: { "mcp-protocol-version": null } },
      );
      return { headers: { "mcp-session-id": got.headers["mcp-session-id"]! } };
    };
    for (const status of [undefined, "hit"]) {
      for (const [index, capabilities] of CLASSES.entries()) {
        const got = await legacyCall(url, "kept", args, await open(capabilities));
        expect([statusOf(got), said(got)]).toEqual([status, `kept ${index + 1}`]);
      }
    }
    // What an answer to a session may rely on is not what a caller of the other era declared.
    expect(statusOf(await legacyCall(url, "kept", args, await open({ roots: {} })))).toBeUndefined();
  });
});
