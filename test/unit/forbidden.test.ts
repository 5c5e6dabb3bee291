import { describe, expect, test } from "vitest";
import type { Caller } from "../../src/access/Caller.ts";
import { Roles } from "../../src/access/Roles.ts";
import { resolve } from "../../src/config/resolve.ts";
import { answer } from "../../src/lanes/answer.ts";
import type { Answer, Exchange } from "../../src/lanes/Exchange.ts";
import { scan } from "../../src/mcp/scan.ts";

const roles = new Roles(
  resolve({
    origins: { a: { url: "https://a.example.com/mcp" } },
    access: {
      keys: true,
      roles: {
        reader: { tools: ["search_*"], resources: ["catalog://*"], prompts: ["greet"] },
        writer: { extends: "reader", tools: ["update_*"], scopes: ["mcp:read", "mcp:write"] },
      },
    },
  }).access.roles!,
);
const ORIGIN = resolve({ origins: { a: { url: "https://a.example.com/mcp" } } }).origins.get("a");
const READER: Caller = { principal: "key:1", roles: ["reader"] };
const TOKEN: Caller = { principal: '["jwt"]', roles: ["reader"], scopes: ["mcp:read"] };

/** What is looked at to refuse a request. Everything else is a lookup, or leads to one. */
const LOOKED_AT = new Set(["rights", "origin", "httpMethod", "body", "scan", "headers", "caller"]);
class LookedUp extends Error {}

/** The answer to a message, of which nobody may find out whether what it names is there. */
function answerTo(message: object | string, caller: Caller, headers: Record<string, string> = {}): Answer {
  const text = typeof message === "string" ? message : JSON.stringify({ jsonrpc: "2.0", id: 1, ...message });
  const x = {
    rights: roles.rightsOf(caller, "a"),
    origin: ORIGIN,
    httpMethod: "POST",
    body: JSON.parse(text) as unknown,
    scan: scan(text, 64),
    headers: new Headers(headers),
    caller,
  };
  const guarded = new Proxy(x, {
    get(target, key) {
      if (!LOOKED_AT.has(String(key))) throw new LookedUp(String(key));
      return target[key as keyof typeof target];
    },
  });
  const given = answer(guarded as unknown as Exchange);
  if (given instanceof Promise) throw new LookedUp("a promise");
  return given;
}

const failureOf = (given: Answer) => (given.kind === "failure" ? given.failure : undefined);

describe("a request for what may not be used is refused before anything is looked up", () => {
  const ref = (value: object) => ({ ref: value, argument: { name: "x", value: "" } });
  test("whatever kind of thing it names, and in whatever method", () => {
    const asks: [string, object, string][] = [
      ["tools/call", { name: "admin" }, "the tool admin"],
      ["tools/call", { name: "__proto__" }, "the tool __proto__"],
      ["prompts/get", { name: "secret" }, "the prompt secret"],
      ["resources/read", { uri: "secret://1" }, "the resource secret://1"],
      ["resources/subscribe", { uri: "secret://1" }, "the resource secret://1"],
      ["resources/unsubscribe", { uri: "secret://1" }, "the resource secret://1"],
      ["completion/complete", ref({ type: "ref/prompt", name: "secret" }), "the prompt secret"],
      ["completion/complete", ref({ type: "ref/resource", uri: "secret://{x}" }), "the resource secret://{x}"],
      ["completion/complete", ref({ type: "ref/prompt", name: "greet", uri: "secret://x" }), "the resource secret://x"],
      [
        "subscriptions/listen",
        { notifications: { resourceSubscriptions: ["catalog://1", "secret://1"] } },
        "the resource secret://1",
      ],
      ["subscriptions/listen", { notifications: { "acme/all": true } }, "the notifications acme/all"],
      ["tasks/list", {}, "the method tasks/list"],
      ["acme/anything", { name: "search_x" }, "the method acme/anything"],
      ["__proto__", {}, "the method __proto__"],
      ["roots/list", {}, "the method roots/list"],
    ];
    for (const [method, params, what] of asks) {
      expect([method, failureOf(answerTo({ method, params }, READER))]).toEqual([method, { kind: "denied", what }]);
    }
  });

  test("in a name of any length, of which little is said again", () => {
    const failure = failureOf(answerTo({ method: "tools/call", params: { name: "x".repeat(10_000) } }, READER));
    expect(failure).toEqual({ kind: "denied", what: `the tool ${"x".repeat(200)}` });
  });

  test("and who came with scopes is told of those with which it would be allowed", () => {
    const call = (name: string) => ({ method: "tools/call", params: { name } });
    expect(failureOf(answerTo(call("update_x"), TOKEN))).toEqual({
      kind: "insufficient-scope",
      scopes: ["mcp:read", "mcp:write"],
    });
    // Whoever asks for these alone must not lose what it has.
    const also = { ...TOKEN, scopes: ['a"b', "c\nd", "mcp:read", "offline_access"] };
    expect(failureOf(answerTo(call("update_x"), also))).toEqual({
      kind: "insufficient-scope",
      scopes: ["mcp:read", "mcp:write", "offline_access"],
    });
    expect(failureOf(answerTo(call("admin"), TOKEN))).toEqual({ kind: "denied", what: "the tool admin" });
    expect(failureOf(answerTo(call("update_x"), READER))).toEqual({ kind: "denied", what: "the tool update_x" });
  });

  test("and so is what two readers may take for different things, or what headers call by another name", () => {
    const raw = (params: string) => `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":${params}}`;
    for (const params of ['{"name":"admin","name":"search_x"}', '{"name":"search_x","NAME":"admin"}']) {
      expect(failureOf(answerTo(raw(params), READER))).toMatchObject({ reason: "duplicate-keys", status: 400 });
    }
    const named = { method: "tools/call", params: { name: "search_x" } };
    for (const headers of [{ "mcp-name": "admin" }, { "mcp-method": "prompts/get" }, { "mcp-name": "=?base64?!?=" }]) {
      expect(failureOf(answerTo(named, READER, headers as never))).toMatchObject({ reason: "header", status: 400 });
    }
    // Where nothing has a name, a header has none either.
    for (const value of ["x", "=?base64?!?="]) {
      expect(failureOf(answerTo({ method: "tools/list" }, READER, { "mcp-name": value }))).toMatchObject({
        reason: "header",
      });
    }
  });

  test("and what names nothing in a way that could be judged", () => {
    for (const [method, params] of [
      ["tools/call", { name: 7 }],
      ["tools/call", ["search_x"]],
      ["resources/read", { name: "catalog://1" }],
      ["completion/complete", { ref: "greet" }],
      ["completion/complete", { ref: { type: "ref/prompt", name: ["greet"] } }],
      ["subscriptions/listen", {}],
      ["subscriptions/listen", { notifications: { resourceSubscriptions: "secret://1" } }],
    ]) {
      expect([method, failureOf(answerTo({ method, params }, READER))]).toMatchObject([
        method,
        { reason: "params", status: 200 },
      ]);
    }
    const told = '{"jsonrpc":"2.0","method":"tools/call","params":{}}';
    expect(failureOf(answerTo(told, READER))).toMatchObject({ reason: "params", status: 400 });
  });
});

describe("a request for what may be used goes on to be looked up", () => {
  const task = { params: { taskId: "t" }, headers: { "mcp-name": "t" } };
  test.each([
    ["tools/call", { name: "search_x" }, { "mcp-name": "search_x", "mcp-method": "tools/call" }],
    ["prompts/get", { name: "greet" }, {}],
    ["resources/read", { uri: "catalog://ä" }, { "mcp-name": "=?base64?Y2F0YWxvZzovL8Ok?=" }],
    ["resources/subscribe", { uri: "catalog://1" }, {}],
    ["completion/complete", { ref: { type: "ref/resource", uri: "catalog://{id}" } }, {}],
    ["subscriptions/listen", { notifications: { toolsListChanged: true, resourceSubscriptions: ["catalog://1"] } }, {}],
    ["subscriptions/listen", { notifications: { taskIds: ["t"] } }, {}],
    ["tasks/get", task.params, task.headers],
    ...["initialize", "server/discover", "ping", "logging/setLevel", "tools/list", "resources/templates/list"].map(
      (method): [string, object, object] => [method, {}, {}],
    ),
    ...["initialized", "cancelled", "progress", "roots/list_changed"].map((name): [string, object, object] => [
      `notifications/${name}`,
      {},
      {},
    ]),
  ])("%s %j", (method, params, headers) => {
    expect(() => answerTo({ method, params }, READER, headers as Record<string, string>)).toThrow(LookedUp);
  });

  test("a response to the origin's question, too; but of who may use no tool, nothing about tasks", () => {
    expect(() => answerTo('{"jsonrpc":"2.0","id":1,"result":{}}', READER)).toThrow(LookedUp);
    const nobody: Caller = { principal: "key:2" };
    expect(failureOf(answerTo({ method: "tasks/get", params: task.params }, nobody))).toMatchObject({ kind: "denied" });
    const listening = { method: "subscriptions/listen", params: { notifications: { taskIds: ["t"] } } };
    expect(failureOf(answerTo(listening, nobody))).toMatchObject({ kind: "denied" });
  });
});
