import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { Fixture, text, tool } from "./support/fixture.ts";
import { type Replica, startReplica } from "./support/replica.ts";
import { openAt } from "./support/sessionsOf.ts";
import { makeStateful } from "./support/stateful.ts";
import { BOTH_FORMS, codeOf, type Got, legacy, modernBody, send } from "./support/wire.ts";

const origin = new Fixture();
let replica: Replica;

beforeAll(async () => {
  await origin.start();
  const tools = { kept: { cache: { ttl: "5m" } }, gone: { deny: true } } as const;
  replica = await startReplica({ origins: { o: { url: origin.url, tools } } });
});
afterAll(async () => {
  await replica?.close();
  await origin.stop();
});
beforeEach(() => {
  origin.reset();
  origin.eras = "legacy";
  origin.tools = [tool("kept"), tool("other"), tool("gone")];
});

const ask = (id: unknown, method: string, params: object = {}) => ({ jsonrpc: "2.0", id, method, params });
const call = (id: unknown, name: string, args: object = {}) => ask(id, "tools/call", { name, arguments: args });

/** Sends a batch as a client of 2025-03-26 does: without a version. */
function post(messages: unknown, headers: Record<string, string> = {}): Promise<Got> {
  const body = typeof messages === "string" ? messages : JSON.stringify(messages);
  return send(replica.mcp, { headers: { accept: BOTH_FORMS, "content-type": "application/json", ...headers }, body });
}

const byId = (got: Got, id: unknown) =>
  (got.body as { id: unknown; result?: any; error?: any }[]).find((one) => one.id === id);

describe("a batch", () => {
  test("is answered message by message, each from where it is", async () => {
    const args = { q: "batch" };
    await post([call(1, "kept", args)]);
    const got = await post([call("a", "kept", args), call(2, "other"), ask(3, "ping"), ask(4, "nonsense")]);
    expect([got.status, got.headers["content-type"]]).toEqual([200, "application/json"]);
    expect(got.body).toHaveLength(4);
    expect(byId(got, "a")!.result._meta["edge-replica/cache"].status).toBe("hit");
    expect(byId(got, 2)!.result.content[0].text).toBe("other 1");
    expect(byId(got, 3)!.result).toEqual({});
    expect(byId(got, 4)!.error.code).toBe(-32601);
    expect(origin.count("tools/call", "kept")).toBe(1);
  });

  test("of notifications and responses is accepted", async () => {
    const got = await post([
      { jsonrpc: "2.0", method: "notifications/initialized" },
      { jsonrpc: "2.0", id: 1, result: {} },
    ]);
    expect([got.status, got.text]).toEqual([202, ""]);
  });

  test("is a stream where one of the answers is", async () => {
    origin.on("tools/call other", () => ({
      ...text("streamed"),
      sse: [{ method: "notifications/progress", params: { progressToken: 1, progress: 1 } }],
    }));
    const got = await post([call(1, "other"), ask(2, "ping"), call(3, "other")]);
    expect(got.headers["content-type"]).toBe("text/event-stream");
    const events = got.text.match(/^data: .*$/gm)!.map((line) => JSON.parse(line.slice(6)));
    expect(events.filter(({ method }) => method === "notifications/progress")).toHaveLength(2);
    expect(events.flatMap(({ id }) => id ?? []).sort()).toEqual([1, 2, 3]);
  });

  test("does not bring a denied tool to the origin, nor into a list", async () => {
    const got = await post([call(1, "gone"), ask(2, "tools/list")]);
    expect(byId(got, 1)!.result._meta["edge-replica/error"].code).toBe("denied");
    expect(byId(got, 2)!.result.tools.map(({ name }: { name: string }) => name)).toEqual(["kept", "other"]);
    expect(origin.count("tools/call", "gone")).toBe(0);
  });

  test("reaches the origin as each message was written", async () => {
    const odd =
      '{ "jsonrpc":"2.0","id":7, "method":"tools/call","params":{"name":"other","arguments":{"n":1.0,"s":"a,]}\\""}} }';
    await post(`[${odd} , ${JSON.stringify(ask(8, "ping"))}]`);
    expect(origin.last("tools/call").text).toBe(odd);
  });

  test("has an error for each message that the origin cannot answer", async () => {
    await origin.stop();
    const got = await post([call(1, "other"), ask(2, "completion/complete"), ask(3, "ping")]);
    await origin.start();
    expect(byId(got, 1)!.result.isError).toBe(true);
    expect(byId(got, 2)!.error.data.code).toBe("origin_unavailable");
    expect(byId(got, 3)!.result).toEqual({});
  });

  test("is answered in its session, and gets the 404 of its end", async () => {
    const { live } = makeStateful(origin);
    const params = { protocolVersion: "2025-03-26", capabilities: {}, clientInfo: { name: "test", version: "1" } };
    const opened = await legacy(replica.mcp, "initialize", params, {
      headers: { "mcp-protocol-version": null as never },
    });
    const session = { "mcp-session-id": opened.headers["mcp-session-id"]! };
    const args = { q: "session" };
    await post([call(1, "kept", args), call(2, "other")], session);
    const got = await post([call(3, "kept", args), call(4, "other")], session);
    expect(byId(got, 3)!.result._meta["edge-replica/cache"].status).toBe("hit");
    expect(origin.last("tools/call", "other").headers["mcp-session-id"]).toMatch(/^origin-session-/);
    live.clear();
    expect((await post([call(5, "kept", args), call(6, "other")], session)).status).toBe(404);
    expect((await post([call(7, "kept", args)], session)).status).toBe(404);
  });

  test("is refused in a session of a later revision, though it names none", async () => {
    makeStateful(origin);
    const { id } = await openAt(replica.mcp, { version: "2025-06-18" });
    const got = await post([ask(1, "ping")], { "mcp-session-id": id });
    expect([got.status, codeOf(got)]).toEqual([400, "jsonrpc_shape"]);
  });

  test("gets the 404 of a session that was opened while the origin was down, once it is back", async () => {
    makeStateful(origin);
    const open = () => openAt(replica.mcp, { version: "2025-03-26" });
    await open();
    await origin.stop();
    const { headers } = await open();
    const down = await post([call(1, "other"), ask(2, "ping")], headers);
    await origin.start();
    expect([down.status, byId(down, 1)!.result.isError]).toEqual([200, true]);
    expect((await post([call(3, "other"), ask(4, "ping")], headers)).status).toBe(404);
  });

  test("has so much room for large answers, and no more", async () => {
    const megabytes = 4;
    origin.on("tools/call other", () => text("x".repeat(megabytes * 1_048_576)));
    const got = await post(Array.from({ length: 8 }, (_, id) => call(id, "other")));
    const answers = Array.from({ length: 8 }, (_, id) => byId(got, id)!.result);
    const told = answers.map((result) => result._meta?.["edge-replica/error"].code ?? "whole");
    expect(told).toEqual([...Array(3).fill("whole"), ...Array(5).fill("origin_invalid")]);
  });
});

test.each([
  ["nothing", "[]", {}],
  ["a modern message", `[${modernBody("tools/list")}]`, {}],
  ["initialize", [ask(1, "initialize")], {}],
  ["too many messages", Array.from({ length: 101 }, (_, id) => ask(id, "ping")), {}],
  ["a later revision", [ask(1, "ping")], { "mcp-protocol-version": "2025-06-18" }],
  ["the modern revision", [ask(1, "ping")], { "mcp-protocol-version": "2026-07-28" }],
])("a batch of %s is refused", async (_, messages, headers) => {
  const got = await post(messages, headers);
  expect([got.status, got.body.error.code, codeOf(got)]).toEqual([400, -32600, "jsonrpc_shape"]);
  expect(origin.seen).toEqual([]);
});
