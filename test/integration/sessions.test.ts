import { request } from "node:http";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { bearer, makeKey, PEPPER } from "./support/keys.ts";
import { Fixture, text, tool } from "./support/fixture.ts";
import { type Replica, startReplica, stored } from "./support/replica.ts";
import { makeStateful, type Stateful } from "./support/stateful.ts";
import { codeOf, type Got, initialize, legacy, legacyCall, said, send, until } from "./support/wire.ts";

const origin = new Fixture();
let sessions: Stateful;
let replica: Replica;

beforeAll(async () => {
  await origin.start();
  replica = await startReplica(
    {
      origins: {
        o: {
          url: origin.url,
          tools: {
            own: { cache: { ttl: "5m" } },
            shared: { cache: { ttl: "5m", scope: "public" } },
            brief: { cache: { ttl: "1s", staleIfError: "1h" } },
            swr: { cache: { ttl: "1s", staleWhileRevalidate: "1h" } },
            "read_*": { cache: { ttl: "5m" } },
          },
        },
      },
      access: { open: true, keys: true },
    },
    { instances: 2, vars: { KEY_PEPPER: PEPPER } },
  );
});
afterAll(async () => {
  await replica?.close();
  await origin.stop();
});
beforeEach(() => {
  origin.reset();
  origin.tools = ["own", "shared", "brief", "swr"].map((name) => tool(name));
  origin.tools.push(tool("read_it", { annotations: { readOnlyHint: true } }), tool("read_odd"));
  sessions = makeStateful(origin);
});
afterEach(() => origin.start().catch(() => {}));

interface Opened {
  id: string;
  headers: Record<string, string>;
}

/** Opens a session as a client does. */
async function open(
  capabilities: object = {},
  headers: Record<string, string> = {},
  url = replica.mcp,
): Promise<Opened> {
  const params = { protocolVersion: "2025-11-25", capabilities, clientInfo: { name: "test", version: "1" } };
  const got = await legacy(url, "initialize", params, {
    headers: { "mcp-protocol-version": null as never, ...headers },
  });
  const id = got.headers["mcp-session-id"]!;
  return { id, headers: { ...headers, "mcp-session-id": id } };
}

let nth = 0;
/** Arguments that nobody has called with. */
const unique = () => ({ nth: ++nth });

const ask = (name: string, args: object, { headers }: Opened, url = replica.mcp): Promise<Got> =>
  legacyCall(url, name, args as Record<string, unknown>, { headers });

describe("the id of a session", () => {
  test("is the caller's own: the origin's does not leave the replica, nor the caller's the replica for the origin", async () => {
    const session = await open();
    expect(session.id).toMatch(/^[\x21-\x7e]+$/);
    expect(session.id).not.toContain("origin-session");
    const got = await ask("other", {}, session);
    expect(said(got)).toBe("other 1");
    expect(origin.last("tools/call").headers["mcp-session-id"]).toMatch(/^origin-session-\d+$/);
    expect(JSON.stringify(got.headers)).not.toContain("origin-session");
  });

  test("means the same to every instance", async () => {
    const session = await open();
    const got = await ask("other", {}, session, `${replica.urls[1]}/mcp`);
    expect(said(got)).toBe("other 1");
  });

  test.each(["made-up", "er1.AAAA", "er1.%%%", "origin-session-1"])("%s is nobody's", async (id) => {
    const got = await ask("own", {}, { id, headers: { "mcp-session-id": id } });
    expect([got.status, got.body.error.code, codeOf(got)]).toEqual([404, -32001, "session_not_found"]);
    expect(origin.count("tools/call")).toBe(0);
  });

  test("with one character changed is nobody's", async () => {
    const { id } = await open();
    const at = id.length - 10;
    const changed = id.slice(0, at) + (id[at] === "A" ? "B" : "A") + id.slice(at + 1);
    expect((await ask("own", {}, { id, headers: { "mcp-session-id": changed } })).status).toBe(404);
  });

  test("is of use to its principal alone", async () => {
    const [mine, theirs] = await Promise.all([makeKey(replica), makeKey(replica)]);
    const session = await open({}, bearer(mine.key).headers);
    const args = unique();
    expect(said(await ask("own", args, session))).toBe("own 1");
    expect((await ask("own", args, session)).cache?.status).toBe("hit");
    const others = { ...session.headers, ...bearer(theirs.key).headers };
    const got = await ask("own", args, { ...session, headers: others });
    expect([got.status, codeOf(got)]).toEqual([404, "session_not_found"]);
    expect((await send(replica.mcp, { method: "DELETE", headers: others })).status).toBe(404);
    expect((await ask("own", args, session)).cache?.status).toBe("hit");
  });

  test("is not told where the origin opens none", async () => {
    origin.reset();
    origin.eras = "legacy";
    expect((await initialize(replica.mcp)).headers["mcp-session-id"]).toBeUndefined();
  });
});

describe("a cacheable call in a session", () => {
  test("is answered at the edge the second time", async () => {
    const session = await open();
    const args = unique();
    const first = await ask("own", args, session);
    const second = await ask("own", args, session);
    expect([first.cache?.status, second.cache?.status, said(second)]).toEqual([undefined, "hit", said(first)]);
    expect(origin.count("tools/call", "own")).toBe(1);
  });

  test("finds what another session was told only where the operator calls it public", async () => {
    const [one, other] = await Promise.all([open(), open()]);
    const args = unique();
    await ask("own", args, one);
    expect((await ask("own", args, other)).cache?.status).toBeUndefined();
    await ask("shared", args, one);
    expect((await ask("shared", args, other)).cache?.status).toBe("hit");
  });

  test("finds lists and reads that it was told before, where they may be kept at all", async () => {
    const session = await open();
    const list = () => legacy(replica.mcp, "tools/list", {}, { headers: session.headers });
    await list();
    // A list of a legacy origin promises nothing, so it is asked for each time, and kept for outages.
    expect((await list()).cache?.status).toBeUndefined();
    await origin.stop();
    expect((await list()).cache?.status).toBe("stale");
  });

  test("does not go to KV with what is the session's alone", async () => {
    const session = await open();
    const before = await stored(replica, "tools/call");
    await ask("own", unique(), session);
    await ask("shared", unique(), session);
    await until(
      () => stored(replica, "tools/call"),
      (names) => names.length > before.length,
    );
    const added = (await stored(replica, "tools/call")).filter((name) => !before.includes(name));
    expect(added.every((name) => name.includes("/public/"))).toBe(true);
  });

  test("by a pattern is cached only where the origin calls the tool read-only", async () => {
    const session = await open();
    for (const [name, status] of [
      ["read_it", "hit"],
      ["read_odd", undefined],
    ] as const) {
      const args = unique();
      await ask(name, args, session);
      expect((await ask(name, args, session)).cache?.status).toBe(status);
    }
  });

  test("with other declared capabilities is another call", async () => {
    const [plain, able] = [await open(), await open({ elicitation: {} })];
    const args = unique();
    await ask("shared", args, plain);
    expect((await ask("shared", args, able)).cache?.status).toBeUndefined();
    expect((await ask("shared", args, await open({ elicitation: {} }))).cache?.status).toBe("hit");
    expect((await ask("shared", args, await open())).cache?.status).toBe("hit");
  });

  test("is refreshed behind a stale answer, within the session and with an id of its own", async () => {
    const session = await open();
    const args = unique();
    await ask("swr", args, session);
    const stale = await until(
      () => ask("swr", args, session),
      ({ cache }) => cache?.status === "stale",
    );
    expect(said(stale)).toBe("swr 1");
    const fresh = await until(
      () => ask("swr", args, session),
      (got) => said(got) === "swr 2",
    );
    expect(fresh.cache?.status).toMatch(/hit|stale/);
    const { id, headers } = origin.seen.filter(({ name }) => name === "swr")[1]!;
    expect(String(id)).toMatch(/^edge-replica-/);
    expect(headers["mcp-session-id"]).toMatch(/^origin-session-/);
  });

  test("streams what the origin asks and says on the way, on a miss", async () => {
    const session = await open({ elicitation: {} });
    origin.on("tools/call own", () => ({
      ...text("asked"),
      sse: [
        { method: "notifications/message", params: { level: "info", data: "soon" } },
        { id: 900, method: "elicitation/create", params: { message: "Which?" } },
      ],
    }));
    const args = unique();
    const got = await ask("own", args, session);
    expect(got.text).toContain("elicitation/create");
    expect(got.text).toContain("notifications/message");
    expect((await ask("own", args, session)).cache?.status).toBe("hit");
  });
});

describe("the end of a session", () => {
  test("by the caller holds for hits as well, here and at other instances", async () => {
    const session = await open();
    const args = unique();
    await ask("own", args, session);
    expect((await ask("own", args, session)).cache?.status).toBe("hit");
    expect((await send(replica.mcp, { method: "DELETE", headers: session.headers })).status).toBe(200);
    expect(sessions.live.size).toBe(0);
    for (const url of replica.urls) {
      const got = await ask("own", args, session, `${url}/mcp`);
      expect([got.status, codeOf(got)]).toEqual([404, "session_not_found"]);
    }
    expect((await legacy(replica.mcp, "tools/list", {}, { headers: session.headers })).status).toBe(404);
  });

  test("by the origin is passed on, and holds for hits from then on", async () => {
    const session = await open();
    const args = unique();
    await ask("own", args, session);
    sessions.live.clear();
    const got = await ask("other", {}, session);
    expect([got.status, got.body]).toEqual([
      404,
      { jsonrpc: "2.0", id: null, error: { code: -32001, message: "Session not found" } },
    ]);
    expect((await ask("own", args, session)).status).toBe(404);
  });

  test("that the origin does not allow is told, and the session goes on", async () => {
    const session = await open();
    origin.on("DELETE", () => ({ status: 405, text: "" }));
    expect((await send(replica.mcp, { method: "DELETE", headers: session.headers })).status).toBe(405);
    expect((await ask("own", unique(), session)).status).toBe(200);
  });
});

describe("the rest of a session", () => {
  test("notifications and responses of the client reach the origin in its session", async () => {
    const session = await open();
    const headers = {
      accept: "application/json, text/event-stream",
      "content-type": "application/json",
      ...session.headers,
    };
    for (const message of [
      { jsonrpc: "2.0", method: "notifications/initialized" },
      { jsonrpc: "2.0", id: 900, result: { action: "accept", content: { answer: "this" } } },
    ]) {
      const body = JSON.stringify(message);
      origin.on("POST", () => ({ status: 202, text: "" }));
      expect((await send(replica.mcp, { headers, body })).status).toBe(202);
      expect(origin.seen.at(-1)!.text).toBe(body);
      expect(origin.seen.at(-1)!.headers["mcp-session-id"]).toMatch(/^origin-session-/);
    }
  });

  test("the GET stream passes as it comes, with Last-Event-ID", async () => {
    const session = await open();
    let release!: () => void;
    const hold = new Promise<void>((resolve) => (release = resolve));
    origin.on("GET", () => ({ sse: [{ method: "notifications/tools/list_changed" }], text: ": end\n\n", hold }));
    const first = await new Promise<string>((resolve, reject) => {
      const sent = request(
        replica.mcp,
        { headers: { accept: "text/event-stream", "last-event-id": "e7", ...session.headers } },
        (response) => {
          response.once("data", (part: Buffer) => resolve(`${response.statusCode} ${part.toString()}`));
          response.on("end", () => {});
        },
      );
      sent.once("error", reject);
      sent.end();
    });
    release();
    expect(first).toContain("200 data:");
    expect(first).toContain("notifications/tools/list_changed");
    expect(origin.last("GET").headers["last-event-id"]).toBe("e7");
    expect(origin.last("GET").headers["mcp-session-id"]).toMatch(/^origin-session-/);
  });

  test("an old answer stands in for an origin that fails inside the session", async () => {
    const session = await open();
    const args = unique();
    await ask("brief", args, session);
    origin.on("tools/call brief", () => ({ status: 503, text: "<h1>down</h1>" }));
    const got = await until(
      () => ask("brief", args, session),
      ({ cache }) => cache?.status === "stale",
    );
    expect(said(got)).toBe("brief 1");
    const other = await ask("brief", unique(), session);
    expect([other.status, codeOf(other)]).toEqual([200, "origin_unavailable"]);
  });
});
