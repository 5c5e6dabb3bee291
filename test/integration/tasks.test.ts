import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { OriginConfig } from "../../src/config/types.ts";
import { jsonOnPage, likePiece } from "../support/jsonOnPage.ts";
import { CLIENTS } from "./support/clients.ts";
import { Fixture, text, tool } from "./support/fixture.ts";
import { bearer, makeKey, PEPPER } from "./support/keys.ts";
import { type Ear, listen, Mouths, silence, TAG } from "./support/listening.ts";
import { type Replica, startReplica } from "./support/replica.ts";
import { type Ask, call, codeOf, type Got, initialize, legacy, modern, until } from "./support/wire.ts";

const origin = new Fixture();
const old = new Fixture();
let replica: Replica;
let [ann, bob, poor, acme]: Ask[] = [];
const ears: Ear[] = [];

const STATUS = "replica_operation_status";
const TASKS = "io.modelcontextprotocol/tasks";
const DECLARED = { extensions: { [TASKS]: {} } };
const WRITES: OriginConfig = {
  url: "",
  sync: { pulse: "250ms" },
  lists: { defaultTtl: "1h" },
  tools: {
    save: { write: { queue: "always", orderBy: false } },
    // One after the other, for each caller.
    append: { write: { queue: "always" } },
    note: { write: { queue: "when-down", orderBy: false, unlessTask: "notify" } },
    post: { write: { queue: "when-down", orderBy: false } },
  },
};
const everything = { tools: ["*"], resources: ["*"], prompts: ["*"] };

beforeAll(async () => {
  await Promise.all([origin.start(), old.start()]);
  old.eras = "legacy";
  replica = await startReplica(
    {
      origins: { o: { ...WRITES, url: origin.url }, l: { ...WRITES, url: old.url }, plain: { url: origin.url } },
      access: {
        open: true,
        keys: true,
        roles: { anonymous: everything, all: everything, poor: { prompts: ["nothing_at_all"] } },
      },
    },
    { vars: { KEY_PEPPER: PEPPER } },
  );
  const keyOf = async (more: object) => bearer((await makeKey(replica, PEPPER, more)).key);
  [ann, bob, poor, acme] = await Promise.all([
    keyOf({ roles: ["all"] }),
    keyOf({ roles: ["all"] }),
    keyOf({ roles: ["poor"] }),
    keyOf({ roles: ["all"], tenant: "acme" }),
  ]);
});
beforeEach(async () => {
  await silence();
  for (const ear of ears.splice(0)) ear.leave();
  origin.reset();
  origin.tools = [tool("save"), tool(STATUS, { description: "theirs" }), tool("append")];
  origin.on("resources/templates/list", () => ({
    result: { resourceTemplates: [{ uriTemplate: "x://{id}", name: "x" }], ttlMs: 0, cacheScope: "private" },
  }));
});
afterAll(async () => {
  for (const ear of ears.splice(0)) ear.leave();
  await replica?.close();
  await Promise.all([origin.stop(), old.stop()]);
});

const mcp = (at = "o") => `${replica.url}/mcp/${at}`;
const with_ = (who: Ask | undefined, more: Ask = {}): Ask => ({
  ...more,
  headers: { ...who?.headers, ...more.headers },
});
/** A call whose caller knows tasks. */
const saving = (who: Ask | undefined, args: object = {}, { name = "save", at = "o" } = {}) =>
  call(mcp(at), name, { ...args }, with_(who, { capabilities: DECLARED }));
const tasks = (who: Ask | undefined, what: "get" | "cancel" | "update", taskId: string, more: Ask = {}, at = "o") =>
  modern(
    mcp(at),
    `tasks/${what}`,
    { taskId, ...(what === "update" && { inputResponses: {} }) },
    with_(who, { capabilities: DECLARED, ...more, headers: { "mcp-name": taskId, ...more.headers } }),
  );
const over = (who: Ask | undefined, id: string, at = "o") =>
  until(
    () => tasks(who, "get", id, {}, at),
    ({ body }) => body.result.status !== "working",
  );
/** Has the origin answer calls of a tool when it is let, and not before. */
function held(name: string) {
  const { promise, resolve } = Promise.withResolvers<void>();
  origin.on(`tools/call ${name}`, ({ params }) => ({ ...text(`${name} ${params.arguments.n}`), hold: promise }));
  return resolve;
}
const asTool = (id: string, who: Ask | undefined) => call(mcp(), STATUS, { id }, who);
const asResource = (id: string, who: Ask | undefined) =>
  modern(mcp(), "resources/read", { uri: `replica://operations/${id}` }, who);
const NOT_THERE = { code: -32602, data: { code: "unknown_operation" } };

test("a call becomes a task, which goes on, and in the end tells what the origin has answered", async () => {
  const letGo = held("save");
  const { body } = await saving(ann, { n: 1 });
  const { taskId } = body.result;
  expect(body.result).toEqual({
    resultType: "task",
    taskId: expect.stringMatching(/^er-op-[0-9a-f]{32}$/),
    status: "working",
    statusMessage: expect.any(String),
    createdAt: expect.any(String),
    lastUpdatedAt: expect.any(String),
    ttlMs: expect.any(Number),
    pollIntervalMs: 1_000,
  });
  expect((await tasks(ann, "get", taskId)).body.result).toMatchObject({ resultType: "complete", status: "working" });
  letGo();
  const done = (await over(ann, taskId)).body.result;
  expect(done).toMatchObject({ status: "completed", result: { content: [{ type: "text", text: "save 1" }] } });
  // The tool and the resource say the same.
  const { structuredContent } = (await asTool(taskId, ann)).body.result;
  expect(structuredContent).toMatchObject({ id: taskId, tool: "save", status: "completed", result: done.result });
  const { contents } = (await asResource(taskId, ann)).body.result;
  expect(JSON.parse(contents[0].text)).toEqual(structuredContent);
  // What is over stays as it is, whoever takes it back.
  expect((await tasks(ann, "cancel", taskId)).body.result).toEqual({ resultType: "complete" });
  expect((await tasks(ann, "get", taskId)).body.result.status).toBe("completed");
  expect(origin.count("tasks/get") + origin.count("tasks/cancel") + origin.count("resources/read")).toBe(0);
});

test("an error of the tool's completes a task, and an error of the protocol's fails it", async () => {
  origin.on("tools/call save", () => text("no room", { isError: true }));
  const inTool = await over(ann, (await saving(ann)).body.result.taskId);
  expect(inTool.body.result).toMatchObject({ status: "completed", result: { isError: true } });
  origin.on("tools/call save", () => ({ error: { code: -32050, message: "no such shelf", data: { shelf: 7 } } }));
  const inProtocol = await over(ann, (await saving(ann)).body.result.taskId);
  expect(inProtocol.body.result).toMatchObject({
    status: "failed",
    error: { code: -32050, message: "no such shelf", data: { shelf: 7 } },
  });
});

test("what was not sent yet is taken back, and never sent", async () => {
  const letGo = held("append");
  const first = (await saving(ann, { n: 1 }, { name: "append" })).body.result.taskId;
  const second = (await saving(ann, { n: 2 }, { name: "append" })).body.result.taskId;
  expect((await tasks(ann, "cancel", second)).body.result).toEqual({ resultType: "complete" });
  expect((await tasks(ann, "get", second)).body.result).toMatchObject({ status: "cancelled" });
  // The first is being sent: that goes on.
  await until(
    () => origin.count("tools/call", "append"),
    (count) => count === 1,
  );
  await tasks(ann, "cancel", first);
  letGo();
  expect((await over(ann, first)).body.result.status).toBe("completed");
  const third = (await saving(ann, { n: 3 }, { name: "append" })).body.result.taskId;
  await over(ann, third);
  const sent = origin.seen.filter(({ method }) => method === "tools/call").map(({ params }) => params.arguments.n);
  expect(sent).toEqual([1, 3]);
});

describe("of another principal's operation, and of one that never was, nothing is told", () => {
  test.each(["get", "cancel", "update"] as const)("by tasks/%s", async (what) => {
    const { taskId } = (await saving(ann)).body.result;
    for (const id of [taskId, `er-op-${"0".repeat(32)}`, "er-op-x", "another's"]) {
      expect(await tasks(bob, what, id)).toMatchObject({ status: 200, body: { error: NOT_THERE } });
    }
    expect((await over(ann, taskId)).body.result.status).toBe("completed");
  });

  test("by the tool, the resource, another tenant's world, or another origin's", async () => {
    const { taskId } = (await saving(ann)).body.result;
    expect(codeOf(await asTool(taskId, bob))).toBe("unknown_operation");
    expect((await asResource(taskId, bob)).body.error).toMatchObject(NOT_THERE);
    const theirs = (await saving(acme)).body.result.taskId;
    expect((await over(acme, theirs)).body.result.status).toBe("completed");
    expect((await tasks(ann, "get", theirs)).body.error).toMatchObject(NOT_THERE);
    expect((await tasks(ann, "get", taskId, {}, "l")).body.error).toMatchObject(NOT_THERE);
  });
});

test("who has not declared the extension is told so with HTTP 400, and headers have to say what the body says", async () => {
  const { taskId } = (await saving(ann)).body.result;
  for (const id of [taskId, "another's"]) {
    expect(await tasks(ann, "get", id, { capabilities: {} })).toMatchObject({
      status: 400,
      body: { error: { code: -32021, data: { requiredCapabilities: { extensions: { [TASKS]: {} } } } } },
    });
  }
  for (const name of ["another", null]) {
    const { status, body } = await tasks(ann, "get", taskId, { headers: { "mcp-name": name } });
    expect([status, body.error.code]).toEqual([400, -32020]);
  }
});

test("a listener is told of its own tasks, and the origin is asked for its own only", async () => {
  const letGo = held("save");
  const mouths = new Mouths(origin);
  const [own, bobs] = [await saving(ann, { n: 5 }), await saving(bob, { n: 6 })].map(({ body }) => body.result.taskId);
  const ear = await listen(mcp(), { taskIds: [own, bobs, "theirs"] }, with_(ann, { capabilities: DECLARED }));
  ears.push(ear);
  const mouth = await mouths.opened(1);
  expect(mouth.filter).toEqual({ taskIds: ["theirs"] });
  const [acknowledged] = await ear.heard(1);
  expect(acknowledged.params.notifications).toEqual({ taskIds: [own, "theirs"] });
  mouth.tell("notifications/tasks", { taskId: "theirs", status: "working" });
  await ear.heard(2);
  letGo();
  await ear.until(() => ear.messages.some(({ params }) => params?.status === "completed"));
  const news = ear.messages.filter(({ method }) => method === "notifications/tasks");
  expect(news.at(-1)).toMatchObject({
    params: { taskId: own, status: "completed", result: { content: [{ text: "save 5" }] }, _meta: { [TAG]: "caller" } },
  });
  await over(bob, bobs);
  expect(new Set(news.map(({ params }) => params.taskId))).toEqual(new Set(["theirs", own]));
  // Who comes when it is over is told that as well.
  const late = await listen(mcp(), { taskIds: [own] }, with_(ann, { capabilities: DECLARED }));
  ears.push(late);
  expect((await late.heard(2))[1]).toMatchObject({ params: { taskId: own, status: "completed" } });
  expect(mouths.all.length).toBe(1);
});

test.each(CLIENTS)(
  "the official client %s finds the tool and the template, and reads what became of a call",
  async (_, connect) => {
    const { taskId } = (await saving(undefined)).body.result;
    await over(undefined, taskId);
    const client = await connect(mcp());
    try {
      const { tools } = await client.listTools();
      expect(tools.map(({ name }) => name)).toEqual(["save", "append", STATUS]);
      const { resourceTemplates } = await client.listResourceTemplates();
      expect(resourceTemplates.map(({ uriTemplate }) => uriTemplate)).toEqual([
        "x://{id}",
        "replica://operations/{id}",
      ]);
      const result = await client.callTool({ name: STATUS, arguments: { id: taskId } });
      expect(result["structuredContent"]).toMatchObject({ id: taskId, status: "completed" });
      const uri = `replica://operations/${taskId}`;
      const { contents } = await client.readResource({ uri });
      expect(contents).toMatchObject([{ uri, mimeType: "application/json" }]);
      await expect(client.readResource({ uri: `${uri}0` })).rejects.toThrow(/no operation/);
    } finally {
      await client.close();
    }
  },
);

test("legacy callers have no tasks: the tool tells them in their own words", async () => {
  const { taskId } = (await saving(undefined)).body.result;
  await over(undefined, taskId);
  expect((await legacy(mcp(), "tasks/get", { taskId })).body.error.code).toBe(-32602);
  expect(origin.count("tasks/get")).toBe(0);
  const { body } = await legacy(mcp(), "tools/call", { name: STATUS, arguments: { id: taskId } });
  expect(JSON.stringify(body)).not.toContain("resultType");
  const missing = await legacy(mcp(), "resources/read", { uri: "replica://operations/er-op-0" });
  expect(missing.body.error.code).toBe(-32002);
});

test("whatever its roles, a caller sees the tool, and nothing more than it may", async () => {
  const named = async (who: Ask | undefined) =>
    (await modern(mcp(), "tools/list", {}, who)).body.result.tools.map(({ name }: { name: string }) => name);
  expect(await named(poor)).toEqual([STATUS]);
  expect(await named(ann)).toEqual(["save", "append", STATUS]);
  expect(codeOf(await asTool(`er-op-${"0".repeat(32)}`, poor))).toBe("unknown_operation");
  expect((await asResource(`er-op-${"0".repeat(32)}`, poor)).body.error).toMatchObject(NOT_THERE);
  expect(codeOf(await saving(poor))).toBe("denied");
  expect(codeOf(await tasks(poor, "get", "theirs"))).toBe("denied");
  const templates = await modern(mcp(), "resources/templates/list", {}, poor);
  expect(templates.body.result.resourceTemplates).toMatchObject([{ uriTemplate: "replica://operations/{id}" }]);
});

test("in front of an origin of the earlier revisions, tasks are the replica's alone", async () => {
  const { extensions } = (await modern(mcp("l"), "server/discover")).body.result.capabilities;
  expect(extensions).toEqual({ [TASKS]: {} });
  const { taskId } = (await saving(ann, {}, { at: "l" })).body.result;
  const { result } = (await over(ann, taskId, "l")).body.result;
  // It was asked in the other era.
  expect(result).toMatchObject({ resultType: "complete", content: [{ text: "save 1" }] });
  expect((await tasks(ann, "get", "theirs", {}, "l")).body.error).toMatchObject(NOT_THERE);
  expect((await tasks(ann, "get", "theirs", { capabilities: {} }, "l")).status).toBe(400);
});

test("what opens a connection says that there are tasks to modern callers only, and nothing where nothing is queued", async () => {
  const capabilities = ({ body }: Got) => body.result.capabilities;
  expect(capabilities(await modern(mcp(), "server/discover")).extensions).toEqual({ [TASKS]: {} });
  expect(capabilities(await initialize(mcp())).extensions).toBeUndefined();
  expect(capabilities(await modern(mcp("plain"), "server/discover")).extensions).toBeUndefined();
  const { tools } = (await modern(mcp("plain"), "tools/list")).body.result;
  expect(tools).toMatchObject([{ name: "save" }, { name: STATUS, description: "theirs" }, { name: "append" }]);
  // There the origin is asked, as ever.
  await tasks(ann, "get", `er-op-${"0".repeat(32)}`, {}, "plain");
  expect(origin.count("tasks/get")).toBe(1);
});

const [created, completed, failed, cancelled, notice, refusal, keyed] = jsonOnPage("writes.md");

test("what callers see of what was sent is what the page on writes shows", async () => {
  const done = async () => (await over(bob, (await saving(bob)).body.result.taskId)).body.result;
  expect(await done()).toEqual(likePiece(completed));
  const asks = with_(bob, { meta: keyed.params._meta });
  const [first, again] = [await call(mcp(), "note", {}, asks), await call(mcp(), "note", {}, asks)];
  expect(again.body).toEqual(first.body);
  expect(origin.count("tools/call", "note")).toBe(1);
  origin.on("tools/call save", () => "reset");
  expect(await done()).toEqual(likePiece(failed));
});

test("with the origin dead, all of it is there still", async () => {
  const { taskId } = (await saving(ann)).body.result;
  await over(ann, taskId);
  await Promise.all([modern(mcp(), "server/discover", {}, ann), modern(mcp(), "tools/list", {}, ann)]);
  await origin.stop();
  const refresh = with_(ann, { headers: { "cache-control": "no-cache" } });
  const discovered = await modern(mcp(), "server/discover", {}, refresh);
  expect(discovered.cache?.status).toBe("stale");
  expect(discovered.body.result.capabilities.extensions).toEqual({ [TASKS]: {} });
  const listed = await modern(mcp(), "tools/list", {}, refresh);
  expect(listed.body.result.tools.at(-1).name).toBe(STATUS);
  expect((await tasks(ann, "get", taskId)).body.result.status).toBe("completed");
  expect((await asTool(taskId, ann)).body.result.structuredContent.status).toBe("completed");
  expect((await asResource(taskId, ann)).body.result.contents).toHaveLength(1);
});

test("what callers see of what waits is what the page on writes shows", async () => {
  await origin.stop();
  // An answer of a moment ago would have a write sent: it fails, and then it is known that nobody is there.
  await until(
    async () => codeOf(await call(mcp(), "note", {}, bob)),
    (code) => code === "write_queued",
  );
  const { result } = (await saving(bob)).body;
  expect(result).toEqual(likePiece(created));
  expect(Object.keys(created)).toEqual(Object.keys(result));
  await tasks(bob, "cancel", result.taskId);
  expect((await tasks(bob, "get", result.taskId)).body.result).toEqual(likePiece(cancelled));
  expect((await call(mcp(), "note", {}, bob)).body.result).toEqual(likePiece(notice));
  expect((await call(mcp(), "post", {}, bob)).body.result).toEqual(likePiece(refusal));
});
