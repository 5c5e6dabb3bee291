import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Origin, startOrigin } from "../../scripts/origin/startOrigin.ts";
import type { ToolConfig } from "../../src/config/types.ts";
import { CLIENTS } from "./support/clients.ts";
import { Fixture, type Handler, text, tool } from "./support/fixture.ts";
import { Hearing } from "./support/Hearing.ts";
import { type Replica, startReplica } from "./support/replica.ts";
import { makeStateful } from "./support/stateful.ts";
import { call, codeOf, initialize, legacyCall, modernBody, modernHeaders, said, until } from "./support/wire.ts";

const TASKS = { extensions: { "io.modelcontextprotocol/tasks": {} } };
const KEY = "edge-replica/idempotency-key";
const TOOLS: Record<string, ToolConfig> = {
  add_note: { write: { queue: "when-down", orderBy: "note:{id}", unlessTask: "notify" } },
  add_note_once: { write: { idempotent: { argument: "request_id" }, orderBy: "note:{id}" } },
};
const WRITES: Record<string, ToolConfig> = {
  put: { write: { queue: "when-down" } },
  tell: { write: { queue: "when-down", unlessTask: "notify" } },
  other: { write: { queue: "when-down", orderBy: "{pile}" } },
};

let demo: Origin;
let replica: Replica;
/** One that was never up before a write came, and one that is. */
const later = new Fixture();
const here = new Fixture();
const sessions = new Fixture();

beforeAll(async () => {
  demo = await startOrigin();
  for (const one of [later, here, sessions]) one.tools = Object.keys(WRITES).map((name) => tool(name));
  await Promise.all([later.start(), here.start(), sessions.start()]);
  makeStateful(sessions);
  const { url } = later;
  await later.stop();
  replica = await startReplica({
    origins: {
      demo: { url: demo.url, tools: TOOLS },
      later: { url, tools: WRITES },
      here: { url: here.url, tools: WRITES, timeout: { firstByte: "50s", total: "50s" } },
      sessions: { url: sessions.url, tools: WRITES },
    },
  });
});
afterAll(async () => {
  await replica?.close();
  await Promise.all([demo?.close(), later.stop(), here.stop(), sessions.stop()]);
});

const at = (origin: string) => `${replica.mcp}/${origin}`;
const numbers = ({ seen }: Fixture) =>
  seen.filter(({ method }) => method === "tools/call").map(({ params }) => params.arguments.n as number);

describe("the official clients", () => {
  test.each(CLIENTS)("(%s) get the origin's answers, whatever they are", async (_, connect) => {
    const client = await connect(at("demo"));
    try {
      const id = "api.AbortController";
      const added: any = await client.callTool({ name: "add_note", arguments: { id, text: "one" } });
      expect(added.structuredContent).toMatchObject({ id, note: { text: "one" } });
      const again: any = await client.callTool({ name: "add_note", arguments: { id, text: "two" } });
      expect(again.structuredContent.count).toBe(added.structuredContent.count + 1);
      const refused = await client.callTool({ name: "add_note", arguments: { id: "nope", text: "x" } });
      expect(refused).toMatchObject({ isError: true });
      expect(refused["_meta"] ?? {}).not.toHaveProperty("edge-replica/error");
    } finally {
      await client.close();
    }
  });

  test.each(CLIENTS)("(%s) hear of progress, and of errors", async (name, connect) => {
    here.reset();
    here.on("tools/call put", ({ params: { _meta } }) => ({
      sse: [
        { method: "notifications/progress", params: { progressToken: _meta?.progressToken, progress: 3, total: 4 } },
      ],
      ...text("made"),
    }));
    here.on("tools/call tell", () => ({ error: { code: -32050, message: "not today" } }));
    const client: any = await connect(at("here"));
    try {
      const heard: unknown[] = [];
      const onprogress = (progress: unknown) => heard.push(progress);
      const params = { name: "put", arguments: {} };
      // The first package has the schema of the result in between.
      const more = name === "sdk 1" ? [undefined, { onprogress }] : [{ onprogress }];
      expect(await client.callTool(params, ...more)).toMatchObject({ content: [{ text: "made" }] });
      expect(heard).toEqual([{ progress: 3, total: 4 }]);
      await expect(client.callTool({ name: "tell", arguments: {} })).rejects.toMatchObject({ code: -32050 });
      expect([here.count("tools/call", "put"), here.count("tools/call", "tell")]).toEqual([1, 1]);
    } finally {
      await client.close();
    }
  });
});

test("while the origin is down nothing is sent, and what was promised is sent once, in order, when it is back", async () => {
  const asking = { capabilities: TASKS, meta: { [KEY]: "first" } };
  const { body } = await call(at("later"), "put", { n: 1 }, asking);
  expect(body.result).toMatchObject({
    resultType: "task",
    taskId: expect.stringMatching(/^er-op-/),
    status: "working",
  });
  await call(at("later"), "put", { n: 2 }, { capabilities: TASKS });
  const notices = [await call(at("later"), "tell", { n: 3 }), await legacyCall(at("later"), "tell", { n: 4 })];
  for (const notice of notices) {
    expect(codeOf(notice)).toBe("write_queued");
    expect(said(notice)).toMatch(/^Queued, not executed/);
  }
  expect(codeOf(await call(at("later"), "put", { n: 9 }))).toBe("origin_unavailable");
  expect(codeOf(await legacyCall(at("later"), "put", { n: 9 }))).toBe("origin_unavailable");
  const again = await call(at("later"), "put", { n: 1 }, asking);
  expect(again.body.result.taskId).toBe(body.result.taskId);
  await later.start();
  await until(
    () => numbers(later),
    (sent) => sent.length === 4,
    20_000,
  );
  expect(numbers(later)).toEqual([1, 2, 3, 4]);
  const answered = await until(
    () => call(at("later"), "put", { n: 1 }, asking),
    (got) => said(got) !== undefined,
  );
  expect(said(answered)).toBe("put 1");
  expect(numbers(later)).toEqual([1, 2, 3, 4]);
}, 40_000);

test("one key is one execution, from callers of both eras, while it is under way and afterwards", async () => {
  here.reset();
  let answer!: () => void;
  const answered = new Promise<void>((resolve) => (answer = resolve));
  here.on("tools/call other", async () => {
    await answered;
    return text("made");
  });
  const args = { n: 1, pile: "keys" };
  const both = [
    call(at("here"), "other", args, { headers: { "idempotency-key": "one" } }),
    legacyCall(at("here"), "other", args, { meta: { [KEY]: "one" } }),
  ];
  await until(
    () => here.count("tools/call"),
    (count) => count > 0,
  );
  answer();
  for (const got of await Promise.all(both)) expect(said(got)).toBe("made");
  expect(said(await call(at("here"), "other", args, { headers: { "idempotency-key": '"one"' } }))).toBe("made");
  const other = await legacyCall(at("here"), "other", { ...args, n: 2 }, { headers: { "idempotency-key": "one" } });
  expect(codeOf(other)).toBe("idempotency_key_reused");
  expect(here.count("tools/call")).toBe(1);
});

test("who leaves takes back what was not sent yet, on a stream too; in the earlier revisions it goes on", async () => {
  here.reset();
  let answer!: () => void;
  const answered = new Promise<void>((resolve) => (answer = resolve));
  const slow: Handler = async () => {
    await answered;
    return text("made");
  };
  here.on("tools/call other", slow);
  const params = (n: number) => ({ name: "other", arguments: { n, pile: "leaving" } });
  const first = call(at("here"), "other", params(1).arguments);
  await until(
    () => numbers(here),
    (sent) => sent.length === 1,
  );
  const gone = new AbortController();
  const leave = (body: string, headers: Record<string, string>) =>
    Hearing.open({ url: at("here"), headers, body }, gone).then(
      () => "answered",
      () => "left",
    );
  const { accept, "content-type": type } = modernHeaders("ping") as Record<string, string>;
  const legacyHeaders = { accept: accept!, "content-type": type!, "mcp-protocol-version": "2025-11-25" };
  const modernHeadersOf = modernHeaders("tools/call", params(2));
  const left = [
    leave(modernBody("tools/call", params(2)), modernHeadersOf),
    leave(JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/call", params: params(3) }), legacyHeaders),
  ];
  const streamed = await Hearing.open({
    url: at("here"),
    headers: modernHeadersOf,
    body: modernBody("tools/call", params(4), { meta: { progressToken: "p" } }),
  });
  // While nothing happens the stream says so, and learns of who has left.
  await streamed.until("keep-alive");
  const last = call(at("here"), "other", params(5).arguments);
  const waiting = async () => {
    const listed = await fetch(`${replica.url}/admin/jobs?origin=here&state=accepted`);
    return ((await listed.json()) as { jobs: unknown[] }).jobs.length;
  };
  await until(waiting, (count) => count === 4);
  gone.abort();
  streamed.leave();
  expect(await Promise.all(left)).toEqual(["left", "left"]);
  await until(waiting, (count) => count === 2, 20_000);
  answer();
  await Promise.all([first, last]);
  expect(numbers(here)).toEqual([1, 3, 5]);
}, 40_000);

test("a caller in a session of the origin's has its writes sent in the replica's own", async () => {
  const { headers } = await initialize(at("sessions"));
  const own = { "mcp-session-id": headers["mcp-session-id"]! };
  const got = await legacyCall(at("sessions"), "put", { n: 1 }, { headers: own });
  expect(said(got)).toBe("put 1");
  const sent = sessions.last("tools/call");
  const opened = sessions.seen.filter(({ method }) => method === "initialize").length;
  expect(opened).toBe(2);
  expect(sent.headers["mcp-session-id"]).toMatch(/^origin-session-/);
  // The caller's own is the first that was opened.
  expect(sent.headers["mcp-session-id"]).not.toBe("origin-session-1");
  // One that is nobody's is refused before anything is sent.
  const stray = await legacyCall(at("sessions"), "put", { n: 2 }, { headers: { "mcp-session-id": "stray" } });
  expect([stray.status, sessions.count("tools/call")]).toEqual([404, 1]);
});
