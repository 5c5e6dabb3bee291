import type { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { ElicitResultSchema } from "@modelcontextprotocol/sdk/types.js";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { connectModern } from "../origin/clients.ts";
import { connectAuto } from "./support/clients.ts";
import { Fixture, type Handler, type Seen, text, tool } from "./support/fixture.ts";
import { Hearing } from "./support/Hearing.ts";
import { bearer, makeKey, PEPPER } from "./support/keys.ts";
import { type Replica, startReplica, textIn } from "./support/replica.ts";
import { startSdkFirstOrigin } from "./support/sdkFirstOrigin.ts";
import { eventsIn, openAt } from "./support/sessionsOf.ts";
import { makeStateful, type Stateful } from "./support/stateful.ts";
import { call, codeOf, legacyCall, modern, modernBody, modernHeaders, said, send, until } from "./support/wire.ts";

const cache = { ttl: "5m", staleIfError: "1d" } as const;
const SERVER_INFO = "io.modelcontextprotocol/serverInfo";
const DECLINED = "edge-replica/declined";

describe("an origin that opens sessions, and modern callers", () => {
  const origin = new Fixture();
  let sessions: Stateful;
  let replica: Replica;
  const setUp = () => {
    origin.reset();
    origin.tools = [tool("kept", { execution: { taskSupport: "forbidden" } }), tool("shared"), tool("other")];
    const { live } = sessions ?? {};
    sessions = makeStateful(origin);
    for (const id of live ?? []) sessions.live.add(id);
    origin.on("POST", () => ({ status: 202, text: "" }));
  };
  beforeAll(async () => {
    await origin.start();
    setUp();
    const tools = { kept: { cache }, shared: { cache: { ...cache, scope: "public" } } } as const;
    const timeout = { firstByte: "2s" } as const;
    const o = { url: origin.url, modernize: "always", timeout, tools } as const;
    replica = await startReplica({ origins: { o } }, { instances: 2 });
  });
  afterAll(async () => {
    await replica?.close();
    await origin.stop();
  });
  beforeEach(setUp);

  test("the origin is told as a modern one", async () => {
    const got = await modern(replica.mcp, "server/discover");
    expect(got.status).toBe(200);
    expect(got.body.result).toMatchObject({
      resultType: "complete",
      supportedVersions: ["2026-07-28"],
      capabilities: { tools: {}, resources: {} },
      ttlMs: 0,
      cacheScope: "private",
      _meta: { [SERVER_INFO]: { name: "stateful" } },
    });
  });

  test("the pinned client connects, lists, calls, reads and gets", async () => {
    const client = (await connectModern(replica.mcp)) as any;
    expect(client.getServerVersion()).toMatchObject({ name: "stateful" });
    expect((await client.listTools()).tools.map(({ name }: any) => name)).toEqual(["kept", "shared", "other"]);
    expect((await client.callTool({ name: "other", arguments: {} })).content[0].text).toMatch(/^other/);
    for (const _ of [1, 2]) {
      expect((await client.callTool({ name: "kept", arguments: { q: "sdk" } })).content[0].text).toBe("kept 1");
    }
    expect((await client.readResource({ uri: "x://1" })).contents[0].text).toMatch(/^x:\/\/1/);
    await client.close();
  });

  test("one session serves all calls of a principal, in all places", async () => {
    await call(replica.mcp, "other");
    const opened = origin.count("initialize");
    for (const url of replica.urls) await call(`${url}/mcp`, "other");
    await call(`${replica.urls[1]}/mcp`, "kept", { q: "elsewhere" });
    expect(origin.count("initialize")).toBe(opened);
    const used = origin.seen.filter(({ method }) => method === "tools/call");
    expect(new Set(used.map(({ headers }) => headers["mcp-session-id"])).size).toBe(1);
  });

  test("the origin gets names that no caller chose, and callers get theirs back, with their types", async () => {
    origin.on("tools/call other", progressing);
    for (const [id, progressToken] of [
      [7, "p"],
      ["7", 0],
    ] as const) {
      const got = await call(replica.mcp, "other", {}, { id, meta: { progressToken, "acme/x": 1 } });
      const { id: sent, params, headers } = origin.last("tools/call", "other");
      expect(sent).toMatch(/^edge-replica-[0-9a-f]{32}$/);
      expect(params._meta).toEqual({ progressToken: sent, "acme/x": 1 });
      expect(headers["mcp-protocol-version"]).toBe("2025-11-25");
      expect([headers["mcp-method"], headers["mcp-name"]]).toEqual([undefined, undefined]);
      const [note, response] = eventsIn(got.text);
      expect(note).toMatchObject({ method: "notifications/progress", params: { progressToken, progress: 1 } });
      expect(response).toMatchObject({ id, result: { resultType: "complete", content: [{ text: "done" }] } });
      expect(response.result._meta[SERVER_INFO]).toMatchObject({ name: "stateful" });
    }
  });

  test("what is another call's, or the session's, is not told; logs are to who asked for them", async () => {
    const note = (method: string, params: object) => ({ method, params }) as Record<string, unknown>;
    origin.on("tools/call other", ({ params }) => ({
      ...text("done"),
      sse: [
        note("notifications/progress", { progressToken: "another's", progress: 1 }),
        note("notifications/progress", { progressToken: 7, progress: 2 }),
        note("notifications/tools/list_changed", {}),
        note("notifications/cancelled", { requestId: 7 }),
        { id: 7, result: { content: [{ type: "text", text: "another's" }] } },
        { id: "edge-replica-0", error: { code: -1, message: "another's" } },
        note("notifications/message", { level: "info", data: "log" }),
        note("notifications/progress", { progressToken: params._meta.progressToken, progress: 3 }),
      ],
    }));
    const meta = { progressToken: 7 };
    const quiet = eventsIn((await call(replica.mcp, "other", {}, { id: 7, meta })).text);
    expect(quiet.map(({ params, result }) => params?.progress ?? result?.content[0].text)).toEqual([3, "done"]);
    const loud = await call(
      replica.mcp,
      "other",
      {},
      { meta: { ...meta, "io.modelcontextprotocol/logLevel": "info" } },
    );
    expect(eventsIn(loud.text).map(({ method }) => method)).toEqual([
      "notifications/message",
      "notifications/progress",
      undefined,
    ]);
  });

  test("public answers are hits for all, in both eras; a session's private ones stay in it", async () => {
    const session = await openAt(`${replica.mcp}`);
    const inSession = (name: string, q: number) => legacyCall(replica.mcp, name, { q }, session);
    expect((await call(replica.mcp, "shared", { q: 1 })).cache?.status).toBe("miss");
    expect((await inSession("shared", 1)).cache?.status).toBe("hit");
    await inSession("shared", 2);
    await until(
      () => call(replica.mcp, "shared", { q: 2 }),
      ({ cache }) => cache?.status === "hit",
    );
    expect(said(await inSession("kept", 3))).toBe("kept 1");
    expect(said(await call(replica.mcp, "kept", { q: 3 }))).toBe("kept 2");
    expect(said(await call(replica.mcp, "kept", { q: 3 }))).toBe("kept 2");
    const used = origin.seen.filter(({ method }) => method === "tools/call").map(({ headers }) => headers);
    // The client's own session, and the one that the replica has opened.
    expect(new Set(used.map((headers) => headers["mcp-session-id"])).size).toBe(2);
  });

  test("who asks for a public answer in no session makes nobody else's call fail", async () => {
    const { inSession } = origin;
    const headers = { "content-type": "text/plain" };
    origin.inSession = (seen) => (inSession!(seen) ? { status: 400, text: "No session", headers } : undefined);
    const args = { q: "of no session" };
    expect(codeOf(await legacyCall(replica.mcp, "shared", args))).toBe("origin_invalid");
    expect(said(await call(replica.mcp, "shared", args))).toMatch(/^shared/);
  });

  test("a call that many make at once is made once", async () => {
    const held = Promise.withResolvers<void>();
    origin.on("tools/call kept", () => ({ ...text("once"), hold: held.promise }));
    const asked = Array.from({ length: 10 }, (_, id) => call(replica.mcp, "kept", { q: "together" }, { id }));
    await until(
      () => origin.count("tools/call"),
      (count) => count > 0,
    );
    held.resolve();
    const got = await Promise.all(asked);
    expect(got.map(({ body }) => body.id)).toEqual(asked.map((_, id) => id));
    expect(origin.count("tools/call")).toBe(1);
  });

  test("errors have their modern codes and statuses", async () => {
    origin.on("resources/read", () => ({ error: { code: -32002, message: "Resource not found" } }));
    origin.on("tools/call gone", () => ({ error: { code: -32602, message: "Unknown tool" } }));
    const gone = await modern(replica.mcp, "resources/read", { uri: "x://gone" }, { id: 3 });
    expect([gone.status, gone.body.error.code, gone.body.id]).toEqual([200, -32602, 3]);
    const unknown = await call(replica.mcp, "gone", {}, { id: "g" });
    expect([unknown.status, unknown.body.error.code, unknown.body.id]).toEqual([200, -32602, "g"]);
    for (const method of ["acme/unknown", "ping", "resources/subscribe", "tasks/get"]) {
      const got = await modern(replica.mcp, method, {}, { id: 4 });
      expect([method, got.status, got.body.error.code, got.body.id]).toEqual([method, 404, -32601, 4]);
    }
  });

  test("a method that nobody knows is not found, also where the origin says so in a stream", async () => {
    origin.on("acme/unknown", () => ({ sse: true, error: { code: -32601, message: "Method not found" } }));
    const unknown = await modern(replica.mcp, "acme/unknown", {}, { id: 6 });
    expect([unknown.status, unknown.body.error.code, unknown.body.id]).toEqual([404, -32601, 6]);
    const log = { method: "notifications/message", params: { level: "info", data: "log" } };
    const result = { messages: [] };
    origin.on("acme/known", () => ({ sse: [log, log], result }));
    const meta = { "io.modelcontextprotocol/logLevel": "info" };
    const known = await modern(replica.mcp, "acme/known", {}, { id: 7, meta });
    expect(eventsIn(known.text)).toMatchObject([log, log, { id: 7, result }]);
  });

  test("a stored answer to initialize serves discover for as long as the operator says", async () => {
    const lists = { defaultTtl: "1m" } as const;
    const another = await startReplica({ origins: { o: { url: origin.url, modernize: "always", lists } } });
    await modern(another.mcp, "server/discover");
    const asked = origin.count("initialize");
    const got = await modern(another.mcp, "server/discover");
    expect([got.cache?.status, got.body.result.ttlMs, origin.count("initialize")]).toEqual(["hit", 0, asked]);
    await another.close();
  });

  test("an error with status 404 that answers the call is no end of the session", async () => {
    await call(replica.mcp, "other");
    const before = origin.count("initialize");
    origin.on("acme/unknown", () => ({ status: 404, error: { code: -32601, message: "Method not found" } }));
    const got = await modern(replica.mcp, "acme/unknown", {}, { id: 5 });
    expect([got.status, got.body.error.code, got.body.id]).toEqual([404, -32601, 5]);
    expect(origin.count("initialize")).toBe(before);
  });

  test("a message with two keys of one name is refused: what it is called in the session must be known", async () => {
    const headers = { ...modernHeaders("tools/call", { name: "other" }) };
    const body = modernBody("tools/call", { name: "other" }).replace('"id":1', '"id":1,"id":2');
    const got = await send(replica.mcp, { headers, body });
    expect([got.status, got.body.error.code]).toEqual([400, -32600]);
  });

  describe("what the origin asks on the way", () => {
    /** Asks, and goes on as it is told when it has been answered. */
    function asking(method: string, then: (seen: Seen, told: any) => object | undefined): Handler {
      return (seen) => ({
        stream: (response) => {
          const send = (message: object) =>
            response.write(`data: ${JSON.stringify({ jsonrpc: "2.0", ...message })}\n\n`);
          send({ id: "question", method, params: { message: "Which?" } });
          origin.on("POST", ({ text: told }) => {
            const next = then(seen, JSON.parse(told));
            if (next) send({ id: seen.id, ...next });
            return { status: 202, text: "" };
          });
        },
      });
    }
    const PROGRESS = { progressToken: 1 };

    test.each(["elicitation/create", "sampling/createMessage", "roots/list"])(
      "%s is declined, and told to the caller where the call comes to an end all the same",
      async (method) => {
        const told: any[] = [];
        origin.on(
          "tools/call other",
          asking(method, (_, answer) => {
            told.push(answer);
            return { result: { content: [{ type: "text", text: "by default" }] } };
          }),
        );
        const got = await call(replica.mcp, "other", {}, { id: "mine", meta: PROGRESS });
        expect(told).toMatchObject([{ id: "question", error: { code: -32601 } }]);
        expect(got.text).not.toContain("Which?");
        expect([got.body.id, said(got), got.body.result._meta[DECLINED]]).toEqual(["mine", "by default", [method]]);
      },
    );

    test.each(["other", "kept"])("where the call fails for it, the caller learns why: %s", async (name) => {
      const failed = { content: [{ type: "text", text: "No answer, no deed." }], isError: true };
      origin.on(
        `tools/call ${name}`,
        asking("elicitation/create", () => ({ result: failed })),
      );
      const got = await call(replica.mcp, name, { q: "asks" });
      expect([codeOf(got), got.body.result.isError]).toEqual(["needs_session", true]);
      expect(said(got)).toContain("No answer, no deed.");
    });

    test("an answer that was given without what the origin wanted to know is not kept", async () => {
      let answers = 0;
      origin.on(
        "tools/call kept",
        asking("elicitation/create", () => ({
          result: { content: [{ type: "text", text: `by default ${++answers}` }] },
        })),
      );
      for (const meta of [{}, PROGRESS, {}]) {
        const got = await call(replica.mcp, "kept", { q: "by default" }, { meta });
        expect([said(got), got.body.result._meta[DECLINED]]).toEqual([`by default ${answers}`, ["elicitation/create"]]);
      }
      expect(answers).toBe(3);
    });

    test.each(["other", "kept"])("an origin that then says nothing more is not waited for: %s", async (name) => {
      origin.on(
        `tools/call ${name}`,
        asking("elicitation/create", () => undefined),
      );
      const got = await call(replica.mcp, name, { q: "silent" }, { id: "mine" });
      expect([codeOf(got), got.body.id]).toEqual(["needs_session", "mine"]);
      await until(
        () => origin.last("notifications/cancelled")?.params.requestId,
        (id) => id === origin.last("tools/call").id,
      );
    });

    test("an origin that asks without end is not waited for either", async () => {
      origin.on("tools/call other", () => ({
        stream: (response) => {
          let nth = 0;
          const ask = () => {
            const question = { jsonrpc: "2.0", id: ++nth, method: "roots/list" };
            response.write(`data: ${JSON.stringify(question)}\n\n`);
          };
          const asking = setInterval(ask, 50);
          response.once("close", () => clearInterval(asking));
        },
      }));
      const got = await call(replica.mcp, "other", {}, { id: "mine" });
      expect([codeOf(got), got.body.id]).toEqual(["needs_session", "mine"]);
      // Each is told once that there is nobody, up to a bound.
      expect(origin.count("POST")).toBeLessThan(30);
    });

    test("a ping is answered, and no more is said of it", async () => {
      const told: any[] = [];
      origin.on(
        "tools/call other",
        asking("ping", (_, answer) => {
          told.push(answer);
          return { result: { content: [{ type: "text", text: "pinged" }] } };
        }),
      );
      const got = await call(replica.mcp, "other", {}, { meta: PROGRESS });
      expect(told).toEqual([{ jsonrpc: "2.0", id: "question", result: {} }]);
      expect([said(got), got.body.result._meta[DECLINED]]).toEqual(["pinged", undefined]);
    });
  });

  test("a caller who leaves cancels the call, and no other", async () => {
    origin.on("tools/call other", ({ params }) => ({
      stream: (response) => {
        const note = { progressToken: params._meta.progressToken, progress: 1 };
        const say = () =>
          response.write(
            `data: ${JSON.stringify({ jsonrpc: "2.0", method: "notifications/progress", params: note })}\n\n`,
          );
        say();
        const talking = setInterval(say, 50);
        response.once("close", () => clearInterval(talking));
      },
    }));
    const params = { name: "other", arguments: {} };
    const hearings = await Promise.all(
      [1, 1].map((id) =>
        Hearing.open({
          url: replica.mcp,
          headers: modernHeaders("tools/call", params),
          body: modernBody("tools/call", params, { id, meta: { progressToken: 1 } }),
        }),
      ),
    );
    for (const hearing of hearings) await hearing.until("notifications/progress");
    hearings[0]!.leave();
    await until(
      () => origin.count("notifications/cancelled"),
      (count) => count === 1,
    );
    const { params: cancelled, headers } = origin.last("notifications/cancelled");
    const calls = origin.seen.filter(({ method, isModern }) => method === "tools/call" && !isModern);
    expect(calls.map(({ id }) => id)).toContain(cancelled.requestId);
    expect(headers["mcp-session-id"]).toBe(calls[0]!.headers["mcp-session-id"]);
    const heard = hearings[1]!.messages.length;
    await until(
      () => hearings[1]!.messages.length,
      (length) => length > heard,
    );
    hearings[1]!.leave();
    await until(
      () => origin.count("notifications/cancelled"),
      (count) => count === 2,
    );
  });

  describe("a stream whose events have ids", () => {
    const event = (id: number, message: object) =>
      `id: ${id}\ndata: ${JSON.stringify({ jsonrpc: "2.0", ...message })}\n\n`;

    test.each(["other", "kept"])("is taken up again where it breaks off: %s", async (name) => {
      let answer = "";
      origin.on(`tools/call ${name}`, ({ id }) => {
        answer = event(3, { id, result: { content: [{ type: "text", text: "at last" }] } });
        const log = { method: "notifications/message", params: { level: "info", data: "log" } };
        return { stream: (response) => void response.end(`id: 1\nretry: 10\ndata:\n\n${event(2, log)}id: 3\ndata: {`) };
      });
      origin.on("GET", () => ({
        stream: (response) => void response.end(origin.count("GET") < 2 ? "retry: 10\n\n" : answer),
      }));
      const meta = { "io.modelcontextprotocol/logLevel": "info" };
      const got = await call(replica.mcp, name, { q: "resumed" }, { id: 5, meta });
      expect([said(got), got.body.id]).toEqual(["at last", 5]);
      if (name === "other") expect(eventsIn(got.text)).toHaveLength(2);
      const resumed = origin.seen.filter(({ method }) => method === "GET");
      expect(resumed.map(({ headers }) => headers["last-event-id"])).toEqual(["2", "2"]);
      expect(sessions.live.has(resumed[0]!.headers["mcp-session-id"] as string)).toBe(true);
      expect(origin.count("notifications/cancelled")).toBe(0);
    });

    test.each(["other", "kept"])("is given up where it cannot be: %s", async (name) => {
      origin.on(`tools/call ${name}`, () => ({
        stream: (response) => void response.end("id: 1\nretry: 10\ndata:\n\n"),
      }));
      const got = await call(replica.mcp, name, { q: "broken" }, { id: 5 });
      expect([codeOf(got), got.body.id, origin.count("GET")]).toEqual(["origin_unavailable", 5, 1]);
      await until(
        () => origin.count("notifications/cancelled"),
        (count) => count === 1,
      );
    });
  });

  describe("a session that the origin has forgotten", () => {
    const executed = () =>
      origin.seen.filter(({ method, headers }) => {
        return method === "tools/call" && sessions.live.has(headers["mcp-session-id"] as string);
      }).length;

    test.each([
      ["other", "with 404 and nothing more", { status: 404, text: "" }],
      ["kept", "with 404 and nothing more", { status: 404, text: "" }],
      ["other", "as servers say it", undefined],
      ["other", "with 400", { status: 400, id: null, error: { code: -32000, message: "No valid session ID" } }],
      ["kept", "with 400", { status: 400, id: null, error: { code: -32000, message: "No valid session ID" } }],
      ["other", "with 400, under the id of the call", { status: 400, error: { code: -32000, message: "No session" } }],
    ])("is opened anew, once, and the call is made once: %s, told %s", async (name, how, refusal) => {
      await call(replica.mcp, "other");
      const { inSession } = origin;
      if (refusal) origin.inSession = (seen) => (inSession!(seen) ? refusal : undefined);
      sessions.live.clear();
      origin.seen = [];
      const got = await Promise.all(
        Array.from({ length: 5 }, (_, q) => call(replica.mcp, name, { q: `${how} ${q}` }, { id: q })),
      );
      expect(got.map((one) => [one.body.id, said(one)])).toEqual(
        [0, 1, 2, 3, 4].map((id) => [id, expect.stringMatching(`^${name} \\d+$`)]),
      );
      expect([origin.count("initialize"), origin.count("notifications/initialized"), executed()]).toEqual([1, 1, 5]);
    });

    test("elsewhere as well, by whoever meets it first", async () => {
      for (const url of replica.urls) await call(`${url}/mcp`, "other");
      sessions.live.clear();
      origin.seen = [];
      for (const url of replica.urls) expect((await call(`${url}/mcp`, "other")).status).toBe(200);
      expect([origin.count("initialize"), executed()]).toEqual([1, 2]);
    });

    test("is opened anew also where the origin gives the same id again", async () => {
      const id = [...sessions.live].at(-1)!;
      let isForgotten = true;
      const { inSession } = origin;
      origin.inSession = (seen) => (isForgotten ? { status: 404, text: "" } : inSession!(seen));
      origin.on("initialize", ({ params: { protocolVersion } }) => {
        isForgotten = false;
        sessions.live.add(id);
        const result = { protocolVersion, capabilities: {}, serverInfo: { name: "stateful", version: "1" } };
        return { headers: { "mcp-session-id": id }, result };
      });
      expect(said(await call(replica.mcp, "other"))).toBe("other 2");
      expect([origin.count("initialize"), origin.count("tools/call")]).toEqual([1, 2]);
    });

    test("is opened no second time where the origin knows not even the new one", async () => {
      await call(replica.mcp, "other");
      origin.inSession = () => ({ status: 404, text: "" });
      origin.seen = [];
      const got = await call(replica.mcp, "other");
      expect([got.status, codeOf(got)]).toEqual([200, "origin_invalid"]);
      expect([origin.count("initialize"), origin.count("tools/call")]).toEqual([1, 2]);
    });

    test("a request that the origin finds bad is no such session", async () => {
      await call(replica.mcp, "other");
      const before = origin.count("initialize");
      origin.on("tools/call other", () => ({ status: 400, id: null, error: { code: -32000, message: "Bad Request" } }));
      const got = await call(replica.mcp, "other", {}, { id: 9 });
      expect([got.status, got.body.error.code, got.body.id]).toEqual([200, -32000, 9]);
      expect([origin.count("initialize"), origin.count("ping")]).toEqual([before, 1]);
    });
  });

  test("the origin's id of the session leaves the replica in no answer, no log and no name in KV", async () => {
    const got = [
      await call(replica.mcp, "other", {}, { meta: { progressToken: 1 } }),
      await call(replica.mcp, "kept", { q: "secret" }),
      await modern(replica.mcp, "server/discover"),
    ];
    const { keys } = await replica.store.list();
    const values = await Promise.all(
      keys.map(({ name }) => (name.startsWith("e1/") ? textIn(replica, name) : replica.store.get(name))),
    );
    const told = JSON.stringify([got, keys, values, replica.lines]);
    expect(told).toContain("edge-replica/cache");
    expect(told).not.toContain("origin-session-");
  });

  test("an outage changes nothing of it", async () => {
    await modern(replica.mcp, "server/discover");
    await modern(replica.mcp, "tools/list");
    await call(replica.mcp, "kept", { q: "offline" });
    await origin.stop();
    const client = (await connectModern(replica.mcp)) as any;
    expect((await client.listTools()).tools).toHaveLength(3);
    expect((await client.callTool({ name: "kept", arguments: { q: "offline" } })).content[0].text).toMatch(/^kept/);
    await client.close();
    const got = await call(replica.mcp, "other");
    expect([got.status, codeOf(got)]).toEqual([200, "origin_unavailable"]);
    await origin.start();
    expect((await call(replica.mcp, "other")).body.result.resultType).toBe("complete");
  });
});

describe("two principals over one origin that opens sessions", () => {
  const origin = new Fixture();
  let replica: Replica;
  const principals: { headers: Record<string, string> }[] = [];
  beforeAll(async () => {
    await origin.start();
    makeStateful(origin);
    origin.on("POST", () => ({ status: 202, text: "" }));
    origin.tools = [tool("kept"), tool("plain"), tool("talking")];
    const tools = { kept: { cache } } as const;
    replica = await startReplica(
      { origins: { o: { url: origin.url, modernize: "always", tools } }, access: { keys: true } },
      { instances: 2, vars: { KEY_PEPPER: PEPPER } },
    );
    for (const _ of [1, 2]) principals.push(bearer((await makeKey(replica)).key));
    for (const principal of principals) await modern(replica.mcp, "server/discover", {}, principal);
  });
  afterAll(async () => {
    await replica?.close();
    await origin.stop();
  });

  const sessionOf = ({ headers }: Seen) => headers["mcp-session-id"] as string;

  test("have a session each, and nothing in common that is private", async () => {
    const got = [];
    for (const principal of principals) got.push(said(await call(replica.mcp, "kept", { q: 1 }, principal)));
    expect(got).toEqual(["kept 1", "kept 2"]);
    const used = origin.seen.filter(({ method, name }) => method === "tools/call" && name === "kept").map(sessionOf);
    expect(new Set(used).size).toBe(2);
  });

  test("100 callers at once, whose ids and tokens are the same: nobody hears what is another's", async () => {
    /** Each says first to all what it is about to say, so that every stream carries what is meant for others. */
    const open: ((message: object) => void)[] = [];
    const answer: Handler = (seen) => ({
      stream: (response) => {
        const send = (message: object) =>
          response.writable && response.write(`data: ${JSON.stringify({ jsonrpc: "2.0", ...message })}\n\n`);
        const { arguments: args, _meta } = seen.params;
        const work = async () => {
          open.push(send);
          await until(
            () => open.length,
            (length) => length >= 25,
          );
          const { progressToken } = _meta;
          for (const progress of [1, 2, 3]) {
            const note = { method: "notifications/progress", params: { progressToken, progress, message: args.who } };
            for (const tell of open) tell(note);
            await new Promise((resolve) => setTimeout(resolve, 5 * Math.random()));
          }
          const result = { content: [{ type: "text", text: `${args.who} in ${sessionOf(seen)}` }] };
          for (const tell of open) tell({ id: seen.id, result });
          response.end();
        };
        void work();
      },
    });
    origin.on("tools/call talking", answer);
    origin.on("tools/call plain", async (seen) => {
      await new Promise((resolve) => setTimeout(resolve, 20 * Math.random()));
      return text(`${seen.params.arguments.who} in ${sessionOf(seen)}`);
    });
    origin.seen = [];
    const callers = Array.from({ length: 100 }, (_, nth) => nth);
    const heard = await Promise.all(
      callers.map(async (nth) => {
        const principal = principals[nth % 2]!;
        const url = `${replica.urls[(nth >> 1) % 2]}/mcp`;
        const name = nth % 4 < 2 ? "talking" : "plain";
        const ask = { ...principal, id: nth % 3 === 0 ? 1 : "1", meta: { progressToken: nth % 5 === 0 ? "t" : 0 } };
        return { nth, ask, name, got: await call(url, name, { who: `caller ${nth}` }, ask) };
      }),
    );
    const sessions = [new Set<string>(), new Set<string>()];
    for (const { nth, ask, name, got } of heard) {
      const messages = name === "talking" ? eventsIn(got.text) : [got.body];
      const answers = messages.filter(({ method }) => method === undefined);
      expect(answers).toHaveLength(1);
      expect(answers[0].id).toBe(ask.id);
      const [, who, session] = /^(caller \d+) in (.*)$/.exec(answers[0].result.content[0].text)!;
      expect(who).toBe(`caller ${nth}`);
      sessions[nth % 2]!.add(session!);
      const notes = messages.filter(({ method }) => method !== undefined);
      expect(notes.map(({ params }) => params)).toEqual(
        (name === "talking" ? [1, 2, 3] : []).map((progress) => ({
          progressToken: ask.meta.progressToken,
          progress,
          message: `caller ${nth}`,
        })),
      );
    }
    expect(sessions.map(({ size }) => size)).toEqual([1, 1]);
    expect([...sessions[0]!][0]).not.toBe([...sessions[1]!][0]);
    const calls = origin.seen.filter(({ method }) => method === "tools/call");
    expect(calls).toHaveLength(100);
    expect(new Set(calls.map(({ id }) => id)).size).toBe(100);
    expect(new Set(calls.map(({ params }) => params._meta.progressToken)).size).toBe(100);
  });
});

describe("a server of the first SDK that opens sessions", () => {
  let origin: Awaited<ReturnType<typeof startSdkFirstOrigin>>;
  let replica: Replica;
  let client: any;
  let cancelled = 0;
  beforeAll(async () => {
    const more = (server: McpServer) => {
      server.registerTool("insistent", { inputSchema: {} }, async (_, { sendRequest }) => {
        const request = {
          method: "elicitation/create",
          params: { message: "Sure?", requestedSchema: { type: "object", properties: {} } },
        };
        const answer = await sendRequest(request as never, ElicitResultSchema).catch(({ code }) => ({
          action: `error ${code}`,
        }));
        return { content: [{ type: "text", text: answer.action }] };
      });
      server.registerTool("slow", { inputSchema: {} }, async (_, { sendNotification, signal, _meta }) => {
        const progressToken = _meta!.progressToken!;
        await sendNotification({ method: "notifications/progress", params: { progressToken, progress: 1 } });
        const talking = setInterval(
          () => void sendNotification({ method: "notifications/progress", params: { progressToken, progress: 2 } }),
          50,
        );
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
        clearInterval(talking);
        cancelled++;
        return { content: [] };
      });
      server.registerTool("logging", { inputSchema: {} }, async (_, { sendNotification }) => {
        await sendNotification({ method: "notifications/message", params: { level: "info", data: "a word" } });
        return { content: [] };
      });
    };
    origin = await startSdkFirstOrigin({ sessions: true, more });
    const tools = { plain: { cache: { ttl: "5m" } } } as const;
    replica = await startReplica({ origins: { o: { url: origin.url, modernize: "always", tools } } });
    client = await connectModern(replica.mcp);
  });
  afterAll(async () => {
    await client?.close();
    await replica?.close();
    await origin?.close();
  });

  test("connects, lists, calls, reads and gets", async () => {
    expect(client.getServerVersion()).toMatchObject({ name: "first" });
    expect((await client.listTools()).tools.map(({ name }: any) => name)).toContain("plain");
    for (const status of ["miss", "hit"]) {
      const { content, _meta } = await client.callTool({ name: "plain", arguments: { q: "x" } });
      expect([content[0].text, _meta["edge-replica/cache"].status]).toEqual(["plain x", status]);
    }
    expect((await client.callTool({ name: "array", arguments: {} })).structuredContent).toEqual({
      result: [{ n: 1 }, { n: 2 }],
    });
    expect((await client.readResource({ uri: "test://item/7" })).contents[0].text).toBe("item 7");
    const { messages } = await client.getPrompt({ name: "greet", arguments: { name: "Ada" } });
    expect(messages[0].content.text).toBe("Greet Ada");
    // What was opened to learn what the origin is has been closed again.
    expect(origin.open.size).toBe(1);
  });

  test("progress and logs reach the client", async () => {
    const seen: any[] = [];
    const params = { name: "plain", arguments: { q: "with progress" } };
    await client.callTool(params, { onprogress: (progress: any) => seen.push(progress) });
    expect(seen).toMatchObject([{ progress: 1, total: 1 }]);
    const logged = await call(replica.mcp, "logging", {}, { meta: { "io.modelcontextprotocol/logLevel": "info" } });
    expect(eventsIn(logged.text)[0]).toMatchObject({ method: "notifications/message", params: { data: "a word" } });
  });

  test("an unknown tool, and an unknown resource, are errors that the client understands", async () => {
    const unknown = await call(replica.mcp, "nope");
    expect([unknown.status, unknown.body.error?.code ?? unknown.body.result.isError]).toEqual([200, true]);
    await expect(client.readResource({ uri: "test://other" })).rejects.toMatchObject({ code: -32602 });
  });

  test("a question on the way is declined; a tool that asks properly is told that nobody can be asked", async () => {
    const { content, _meta } = await client.callTool({ name: "insistent", arguments: {} });
    expect([content[0].text, _meta[DECLINED]]).toEqual(["error -32601", ["elicitation/create"]]);
    expect((await client.callTool({ name: "asking", arguments: {} })).isError).toBe(true);
  });

  test("a call that the client gives up is cancelled", async () => {
    const hearing = await Hearing.open({
      url: replica.mcp,
      headers: modernHeaders("tools/call", { name: "slow" }),
      body: modernBody("tools/call", { name: "slow", arguments: {} }, { meta: { progressToken: 1 } }),
    });
    await hearing.until("notifications/progress");
    hearing.leave();
    await until(
      () => cancelled,
      (count) => count === 1,
    );
  });

  test("after its restart, goes on in a new session", async () => {
    origin.forget();
    const { content } = await client.callTool({ name: "plain", arguments: { q: "anew" } });
    expect([content[0].text, origin.open.size]).toEqual(["plain anew", 1]);
  });
});

describe("who is not served is told to initialize", () => {
  test.each([
    ["never", "an origin without sessions", false, true],
    ["never", "an origin with sessions", true, true],
    ["auto", "an origin with sessions", true, true],
    ["auto", "an origin without sessions", false, false],
    ["always", "an origin without sessions", false, false],
  ] as const)("%s, %s", async (modernize, _, opensSessions, isTold) => {
    const origin = await new Fixture().start();
    origin.eras = "legacy";
    origin.tools = [tool("other")];
    if (opensSessions) makeStateful(origin);
    const replica = await startReplica({ origins: { o: { url: origin.url, modernize } } });
    for (const _ of [1, 2]) {
      const got = await modern(replica.mcp, "server/discover");
      expect([got.status, got.body.error?.code]).toEqual(isTold ? [404, -32601] : [200, undefined]);
    }
    const auto = (await connectAuto(replica.mcp)) as any;
    expect((await auto.callTool({ name: "other", arguments: {} })).content[0].text).toMatch(/^other/);
    expect(origin.last("tools/call").isModern).toBe(false);
    await auto.close();
    await replica.close();
    await origin.stop();
  });
});

/** Answers with progress under the token that it was given. */
const progressing: Handler = ({ params }) => ({
  ...text("done"),
  sse: [{ method: "notifications/progress", params: { progressToken: params._meta.progressToken, progress: 1 } }],
});
