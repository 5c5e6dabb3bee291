import { expect, test } from "vitest";
import { resolve } from "../../src/config/resolve.ts";
import { edited, edits } from "../../src/origin/edited.ts";

const origin = (tools: object) => resolve({ origins: { o: { service: "S", tools } } }).origins.get("o")!.settings;
const WITH = origin({ put: { write: { queue: "when-down" } } });
const WITHOUT = origin({ put: { write: { invalidates: ["a"] } } });
const ALSO_DENIED = origin({ put: { write: { queue: "when-down" } }, secret: { deny: true } });

const reply = (result: string) => `{"jsonrpc":"2.0","id":1,"result":${result}}`;
const told = (method: string, result: string, settings = WITH) =>
  (JSON.parse(edited(reply(result), method, settings)) as { result: Record<string, unknown> }).result;
const names = (tools: unknown) => (tools as { name: string }[]).map(({ name }) => name);

test("the replica's tool stands last in a list of tools, and the origin's own of that name is hidden", () => {
  expect(names(told("tools/list", `{"tools":[{"name":"b"},{"name":"a"}]}`)["tools"])).toEqual([
    "b",
    "a",
    "replica_operation_status",
  ]);
  const two = told("tools/list", `{"tools":[{"name":"replica_operation_status","theirs":1}],"ttlMs":5}`);
  expect(two["tools"]).toEqual([expect.not.objectContaining({ theirs: 1 })]);
  expect(two["tools"]).toMatchObject([{ inputSchema: { type: "object" }, annotations: { readOnlyHint: true } }]);
  expect(names(told("tools/list", `{"tools":[ ]}`)["tools"])).toEqual(["replica_operation_status"]);
  expect(names(told("tools/list", `{"tools":[{"name":"secret"}]}`, ALSO_DENIED)["tools"])).toEqual([
    "replica_operation_status",
  ]);
});

test("an operator who denies it has it nowhere", () => {
  const denied = origin({ put: { write: { queue: "when-down" } }, "replica_*": { deny: true } });
  const list = `{"tools":[{"name":"put"},{"name":"replica_operation_status"}]}`;
  expect(names(told("tools/list", list, denied)["tools"])).toEqual(["put"]);
});

test("it stands on the last page only, where the origin's is hidden from every page", () => {
  const page = told("tools/list", `{"tools":[{"name":"a"},{"name":"replica_operation_status"}],"nextCursor":"2"}`);
  expect(names(page["tools"])).toEqual(["a"]);
});

test("operations are among the templates of an origin that has such a list", () => {
  const { resourceTemplates } = told("resources/templates/list", `{"resourceTemplates":[{"uriTemplate":"x://{a}"}]}`);
  expect(resourceTemplates).toMatchObject([{ uriTemplate: "x://{a}" }, { uriTemplate: "replica://operations/{id}" }]);
  expect(told("resources/templates/list", `{"resourceTemplates":[],"nextCursor":"2"}`)["resourceTemplates"]).toEqual(
    [],
  );
});

test.each([
  [`{"capabilities":{}}`, { extensions: { "io.modelcontextprotocol/tasks": {} } }],
  [`{"capabilities":{"tools":{}}}`, { tools: {}, extensions: { "io.modelcontextprotocol/tasks": {} } }],
  [
    `{"capabilities":{"extensions":{"x/ui":{"a":1}}}}`,
    { extensions: { "x/ui": { a: 1 }, "io.modelcontextprotocol/tasks": {} } },
  ],
  [`{"capabilities":{"extensions":{}}}`, { extensions: { "io.modelcontextprotocol/tasks": {} } }],
  [
    `{"capabilities":{"extensions":{"io.modelcontextprotocol/tasks":{"theirs":1}}}}`,
    { extensions: { "io.modelcontextprotocol/tasks": { theirs: 1 } } },
  ],
  [`{"capabilities":{"extensions":7}}`, { extensions: 7 }],
])("tasks are among what %s can do", (result, capabilities) => {
  expect(told("server/discover", result)["capabilities"]).toEqual(capabilities);
});

test("nothing else is touched: other methods, errors, what is no list, and origins whose writes are not queued", () => {
  const list = reply(`{"tools":[{"name":"a"}]}`);
  expect(edited(list, "tools/call", WITH)).toBe(list);
  const error = `{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"no"}}`;
  for (const method of ["tools/list", "resources/templates/list", "server/discover"]) {
    expect(edited(error, method, WITH)).toBe(error);
    expect(edited(reply(`{"tools":"x","resourceTemplates":1,"capabilities":[]}`), method, WITH)).toBe(
      reply(`{"tools":"x","resourceTemplates":1,"capabilities":[]}`),
    );
    expect(edits(WITH, method)).toBe(true);
    expect(edits(WITHOUT, method)).toBe(false);
  }
  expect(edited(list, "tools/list", WITHOUT)).toBe(list);
  expect(edits(WITH, "tools/call")).toBe(false);
  // What is kept for the one is no answer for the other.
  expect(WITH.identity).not.toBe(WITHOUT.identity);
});
