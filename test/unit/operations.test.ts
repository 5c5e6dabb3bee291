import { expect, test } from "vitest";
import { Rights } from "../../src/access/Rights.ts";
import { resolve } from "../../src/config/resolve.ts";
import { wireError } from "../../src/http/errors.ts";
import type { Answer, Exchange } from "../../src/lanes/Exchange.ts";
import { forbidden } from "../../src/lanes/forbidden.ts";
import { operations } from "../../src/lanes/operations.ts";
import { TaskNews } from "../../src/lanes/TaskNews.ts";
import { withinRights } from "../../src/lanes/withinRights.ts";
import { isModern } from "../../src/mcp/envelope.ts";
import type { OperationView } from "../../src/outbox/Submission.ts";
import { FeedView } from "../../src/sync/FeedView.ts";
import { emptyIsolate } from "./emptyIsolate.ts";

const ID = `er-op-${"a".repeat(32)}`;
const AT = Date.UTC(2026, 10, 27);
const DAY_MS = 86_400_000;
const VIEW: OperationView = {
  id: ID,
  seq: 1,
  principal: "alice",
  tool: "put",
  orderKey: null,
  ifStuck: "park",
  idempotency: { kind: "none" },
  tags: [],
  isQueued: true,
  isAwaited: false,
  state: "accepted",
  attempts: 0,
  acceptedAt: AT,
  updatedAt: AT,
  dueAt: AT,
  givesUpAt: AT + DAY_MS,
};
const RESULT = `{"content":[{"type":"text","text":"made"}],"structuredContent":{"n":12345678901234567890},"resultType":"complete"}`;
const DONE: Partial<OperationView> = {
  state: "done",
  updatedAt: AT + 9,
  until: AT + 2 * DAY_MS,
  outcome: { kind: "result", text: RESULT, era: "modern" },
};

const DECLARED = { extensions: { "io.modelcontextprotocol/tasks": {} } };
const REST: Answer = { kind: "message", result: "relay", status: 200, text: `{"jsonrpc":"2.0","id":1,"result":{}}` };

interface Asking {
  method: string;
  params: Record<string, unknown>;
  capabilities?: unknown;
  principal?: string;
  isLegacy?: boolean;
  headers?: Record<string, string>;
  tools?: object;
}

/** A caller, and an object that knows one operation of alice's. */
function setUp({ method, params, capabilities = DECLARED, principal = "alice", isLegacy, headers, tools }: Asking) {
  const asked: string[] = [];
  const one = { view: VIEW as OperationView, isBroken: false };
  const object = {
    view: async (id: string, by: string) => {
      asked.push(`view ${id}`);
      if (one.isBroken) throw new Error("down");
      return id === ID && by === "alice" ? one.view : undefined;
    },
    cancel: async (id: string, by: string) => {
      asked.push(`cancel ${id}`);
      if (id === ID && by === "alice" && one.view.attempts === 0) one.view = { ...one.view, state: "cancelled" };
      return object.view(id, by);
    },
  };
  const envelope = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": capabilities,
  };
  const named = params["taskId"] ?? params["name"] ?? params["uri"];
  const sent: Record<string, string> = isLegacy
    ? { "mcp-protocol-version": "2025-11-25", ...headers }
    : {
        "mcp-protocol-version": "2026-07-28",
        "mcp-method": method,
        ...(named !== undefined && { "mcp-name": named as string }),
        ...headers,
      };
  const x = {
    origin: resolve({
      origins: { o: { service: "S", tools: tools ?? { put: { write: { queue: "when-down" } } } } },
    }).origins.get("o"),
    feed: new FeedView(() => "i"),
    isolate: emptyIsolate(),
    env: { OUTBOX: { idFromName: (name: string) => name, get: () => object } },
    httpMethod: "POST",
    headers: new Headers(sent),
    body: { jsonrpc: "2.0", id: 7, method, params: { ...params, ...(!isLegacy && { _meta: envelope }) } },
    principal,
    caller: { principal },
    scan: { exact: true, duplicates: false },
    now: () => AT + 1_000,
    report: () => {},
  } as unknown as Exchange;
  return { x, asked, one };
}

interface Wire {
  status: number;
  result?: Record<string, unknown>;
  error?: { code: number; message: string; data?: Record<string, unknown> };
}

/** What the caller gets. */
async function wired(x: Exchange, rest: Answer = REST): Promise<Wire | undefined> {
  const given = await operations(x, () => rest);
  if (!given) return undefined;
  const { method } = x.body as { method: string };
  if (given.kind === "message") return { status: given.status, ...(JSON.parse(given.text) as object) };
  if (given.kind !== "failure") throw new Error(given.kind);
  const told = { id: 7, isRequest: true, isToolCall: method === "tools/call", isModern: isModern(x.body) };
  const { status, body } = wireError(given.failure, { ...told, correlationId: "c" });
  return { status, ...(JSON.parse(body) as object) };
}

const get = (more: Partial<Asking> = {}) => setUp({ method: "tasks/get", params: { taskId: ID }, ...more });
const callTool = (more: Partial<Asking> = {}) =>
  setUp({ method: "tools/call", params: { name: "replica_operation_status", arguments: { id: ID } }, ...more });
const read = (more: Partial<Asking> = {}) =>
  setUp({ method: "resources/read", params: { uri: `replica://operations/${ID}` }, ...more });

test("tasks/get tells how an operation stands, and in the end what the origin has answered, as it wrote it", async () => {
  const { x, one } = get();
  expect(await wired(x)).toMatchObject({
    status: 200,
    result: { resultType: "complete", taskId: ID, status: "working", ttlMs: expect.any(Number), pollIntervalMs: 1_000 },
  });
  one.view = { ...VIEW, ...DONE };
  const given = await operations(x, () => REST);
  expect(given).toMatchObject({
    kind: "message",
    result: "local",
    text: expect.stringContaining(`"result":${RESULT}`),
  });
  expect(await wired(x)).toMatchObject({ result: { status: "completed", lastUpdatedAt: "2026-11-27T00:00:00.009Z" } });
  one.view = { ...VIEW, state: "done", outcome: { kind: "error", text: `{"code":-5,"message":"no"}`, era: "legacy" } };
  expect(await wired(x)).toMatchObject({ result: { status: "failed", error: { code: -5, message: "no" } } });
});

test.each(["tasks/get", "tasks/update", "tasks/cancel"])(
  "%s of another principal's operation, or of none, is of a task that is not there",
  async (method) => {
    for (const [taskId, principal] of [
      [ID, "mallory"],
      [`er-op-${"b".repeat(32)}`, "alice"],
      ["er-op-", "alice"],
      [`er-op-${"a".repeat(99_999)}`, "alice"],
    ] as const) {
      const { x, asked, one } = setUp({ method, params: { taskId }, principal });
      expect(await wired(x)).toMatchObject({ status: 200, error: { code: -32602 } });
      expect(one.view).toBe(VIEW);
      // What is not formed as an id is not even looked for.
      expect(asked.length > 0).toBe(taskId.length === ID.length);
    }
  },
);

test("tasks/cancel is acknowledged whatever comes of it, and takes back what was never sent", async () => {
  const ack = { jsonrpc: "2.0", id: 7, result: { resultType: "complete" }, status: 200 };
  const { x, one } = setUp({ method: "tasks/cancel", params: { taskId: ID } });
  expect(await wired(x)).toEqual(ack);
  expect(one.view.state).toBe("cancelled");
  one.view = { ...VIEW, ...DONE, attempts: 1 };
  expect(await wired(x)).toEqual(ack);
  expect(one.view.state).toBe("done");
  expect(await wired(setUp({ method: "tasks/update", params: { taskId: ID, inputResponses: {} } }).x)).toEqual(ack);
});

test("who has not declared the extension is told which one, and nothing of the task", async () => {
  for (const method of ["tasks/get", "tasks/update", "tasks/cancel"]) {
    const { x, asked } = setUp({ method, params: { taskId: ID }, capabilities: {} });
    expect(await wired(x)).toMatchObject({
      status: 400,
      error: { code: -32021, data: { requiredCapabilities: { extensions: { "io.modelcontextprotocol/tasks": {} } } } },
    });
    expect(asked).toEqual([]);
  }
});

test("headers have to name the task that the body does", async () => {
  for (const [name, value] of [
    ["mcp-name", "another"],
    ["mcp-method", "tasks/cancel"],
  ] as const) {
    const headers = { [name]: value };
    const { x, asked } = get({ headers });
    expect(await wired(x)).toMatchObject({ status: 400, error: { code: -32020 } });
    expect(asked).toEqual([]);
  }
});

test("tasks that are not the replica's go to the origin; where it knows none, they are not there", async () => {
  const { x, asked } = get({ params: { taskId: "theirs" } });
  expect(await wired(x)).toMatchObject({ result: {} });
  const unknown = { ...REST, status: 404, text: `{"jsonrpc":"2.0","id":7,"error":{"code":-32601,"message":"?"}}` };
  expect(await wired(x, unknown)).toMatchObject({ status: 200, error: { code: -32602 } });
  const foreign = { kind: "rejected", status: 404, code: -32601, reason: "method-registry", message: "?" } as const;
  expect(await wired(x, { kind: "failure", failure: foreign })).toMatchObject({ error: { code: -32602 } });
  const undeclared = get({ params: { taskId: "theirs" }, capabilities: {} });
  expect(await wired(undeclared.x, unknown)).toMatchObject({ status: 400, error: { code: -32021 } });
  // Another error is the origin's own affair.
  const other = { ...REST, text: `{"jsonrpc":"2.0","id":7,"error":{"code":-32602,"message":"theirs"}}` };
  expect(await wired(x, other)).toMatchObject({ error: { message: "theirs" } });
  expect(asked).toEqual([]);
});

test("what is no id of a task names none, and breaks nothing", async () => {
  const unknown: Answer = { ...REST, text: `{"jsonrpc":"2.0","id":7,"error":{"code":-32601,"message":"no"}}` };
  for (const taskId of [{ toString: 1, valueOf: 1 }, [{ toString: 1 }], 5, null]) {
    const { x } = get({ params: { taskId }, headers: { "mcp-name": "x" } });
    expect((await wired(x, unknown))?.error?.code, JSON.stringify(taskId)).toBe(-32602);
  }
});

test("legacy callers have no tasks: an id of the replica's own goes to no origin, and one of the origin's does", async () => {
  const { x, asked } = get({ isLegacy: true });
  expect(await wired(x)).toMatchObject({ status: 200, error: { code: -32602 } });
  expect(asked).toEqual([]);
  expect(await wired(get({ isLegacy: true, params: { taskId: "theirs" } }).x)).toBeUndefined();
});

test.each([
  ["modern", false],
  ["legacy", true],
])("the tool and the resource say the same to %s callers, in their words", async (_, isLegacy) => {
  const { x, one } = callTool({ isLegacy, capabilities: {} });
  const waiting = { id: ID, tool: "put", state: "accepted", status: "working", retryAfterMs: 1_000 };
  expect(await wired(x)).toMatchObject({ result: { structuredContent: waiting } });
  one.view = { ...VIEW, ...DONE };
  const { result } = (await wired(x))!;
  const { structuredContent, content } = result as unknown as {
    structuredContent: { result: object };
    content: { text: string }[];
  };
  expect(structuredContent).toMatchObject({ status: "completed", result: { content: [{ text: "made" }] } });
  expect(Object.hasOwn(structuredContent.result, "resultType")).toBe(!isLegacy);
  expect(JSON.parse(content[0]!.text)).toEqual(structuredContent);
  expect(Object.hasOwn(result!, "resultType")).toBe(!isLegacy);

  const reading = read({ isLegacy, capabilities: {} });
  reading.one.view = one.view;
  const resource = (await wired(reading.x))!.result!;
  expect(resource).toMatchObject({
    contents: [{ uri: `replica://operations/${ID}`, mimeType: "application/json", text: content[0]!.text }],
  });
  // Nobody is to keep it.
  const { ttlMs, cacheScope } = resource;
  expect([ttlMs, cacheScope]).toEqual(isLegacy ? [undefined, undefined] : [0, "private"]);
});

test("an outcome that was asked for in the other era is told in the caller's", async () => {
  const { x, one } = get();
  one.view = { ...VIEW, ...DONE, outcome: { kind: "result", text: `{"content":[]}`, era: "legacy" } };
  expect(await wired(x)).toMatchObject({ result: { result: { content: [], resultType: "complete" } } });
  // What has no form there is told as lost, and not as something that the origin did not say.
  one.view = { ...VIEW, ...DONE, outcome: { kind: "result", text: `{"resultType":"input_required"}`, era: "modern" } };
  const legacy = callTool({ isLegacy: true });
  legacy.one.view = one.view;
  expect(await wired(legacy.x)).toMatchObject({
    result: { structuredContent: { status: "failed", error: { data: { code: "outcome_lost" } } } },
  });
});

test("another principal's operation is not there for the tool and the resource either", async () => {
  expect(await wired(callTool({ principal: "mallory" }).x)).toMatchObject({
    status: 200,
    result: { isError: true, _meta: { "edge-replica/error": { code: "unknown_operation" } } },
  });
  const uri = `replica://operations/${ID}`;
  expect(await wired(read({ principal: "mallory" }).x)).toMatchObject({ error: { code: -32602, data: { uri } } });
  expect(await wired(read({ principal: "mallory", isLegacy: true }).x)).toMatchObject({
    error: { code: -32002, data: { uri } },
  });
});

test("arguments that name no operation are refused, and an object that cannot be asked says nothing of the operation", async () => {
  for (const args of [undefined, {}, { id: 7 }, [ID]]) {
    const { x } = callTool({ params: { name: "replica_operation_status", arguments: args } });
    expect(await wired(x)).toMatchObject({
      result: { isError: true, _meta: { "edge-replica/error": { code: "invalid_arguments" } } },
    });
  }
  for (const { x, one } of [get(), callTool(), read()]) {
    one.isBroken = true;
    expect(JSON.stringify(await wired(x))).toContain(`"outbox_unavailable"`);
  }
});

test("whatever its roles, a caller may look at its own operations; and at nothing else that it may not use", () => {
  const rights = new Rights("none", { tools: [], resources: [], prompts: [] });
  for (const { x } of [get(), callTool(), read()]) expect(forbidden(x, rights)).toBeUndefined();
  const listening = (notifications: object) =>
    forbidden(setUp({ method: "subscriptions/listen", params: { notifications } }).x, rights);
  expect(listening({ taskIds: [ID] })).toBeUndefined();
  expect(listening({ taskIds: [ID, "theirs"] })).toMatchObject({ kind: "denied" });
  expect(forbidden(get({ params: { taskId: "theirs" } }).x, rights)).toMatchObject({ kind: "denied" });
  expect(forbidden(read({ params: { uri: "replica://other" } }).x, rights)).toMatchObject({ kind: "denied" });
  // Where nothing is queued, there is nothing of the kind.
  const tools = { put: { write: { invalidates: ["a"] } } };
  for (const { x } of [get({ tools }), callTool({ tools }), read({ tools })])
    expect(forbidden(x, rights)).toMatchObject({ kind: "denied" });

  const text = `{"jsonrpc":"2.0","id":7,"result":{"tools":[{"name":"a"},{"name":"replica_operation_status"}]}}`;
  const seen = withinRights(setUp({ method: "tools/list", params: {} }).x, rights, { ...REST, text });
  expect(seen).toMatchObject({ text: expect.stringContaining(`"tools":[{"name":"replica_operation_status"}]`) });
});

test("a listener is told once how a task stands, when that has changed, or is over before it came", async () => {
  const { x, one } = get();
  const news = new TaskNews(x, new Set([ID]));
  const look = async () => (await news.look()).map((text) => (JSON.parse(text) as { status: string }).status);
  // That it goes on is no news.
  expect([news.due, await look(), news.due]).toEqual([1, [], 0]);
  const told = { kind: "told", tag: `operation:${ID}` } as const;
  news.heard({ kind: "told", tag: "operation:other" });
  expect(news.due).toBe(0);
  news.heard(told);
  expect(await look()).toEqual([]);
  one.view = { ...VIEW, ...DONE };
  news.heard(told);
  news.heard(told);
  expect(await look()).toEqual(["completed"]);
  // Another feed may have forgotten what it told.
  news.heard({ kind: "doubted", tag: "origin" });
  expect([news.due, await look()]).toEqual([1, []]);
  const late = new TaskNews(x, new Set([ID]));
  expect((await late.look()).length).toBe(1);
  // What cannot be looked at now is looked at again.
  one.isBroken = true;
  news.heard(told);
  expect(await look()).toEqual([]);
  // But not all the time: the object is in trouble, and there are many listeners.
  const dueAfter = (ms: number) => {
    x.now = () => AT + 1_000 + ms;
    return news.due;
  };
  expect([0, 999, 1_000].map(dueAfter)).toEqual([0, 0, 1]);
  expect(await look()).toEqual([]);
  expect([2_999, 3_000].map(dueAfter)).toEqual([0, 1]);
  for (let failures = 2; failures < 9; failures++) await look();
  expect([3_000 + 29_999, 3_000 + 30_000].map(dueAfter)).toEqual([0, 1]);
  one.isBroken = false;
  expect([await look(), news.due]).toEqual([[], 0]);
});
