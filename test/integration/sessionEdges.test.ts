import { createHash } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { OriginConfig, ToolConfig } from "../../src/config/types.ts";
import { Fixture, text, tool } from "./support/fixture.ts";
import { type Replica, startReplica, stored } from "./support/replica.ts";
import { beside, callIn, inside, names, openAt, post, streamAt } from "./support/sessionsOf.ts";
import { makeStateful, type Stateful } from "./support/stateful.ts";
import { codeOf, type Got, modern, said, until } from "./support/wire.ts";

const origin = new Fixture();
let sessions: Stateful;
let replica: Replica;

beforeAll(async () => {
  await origin.start();
  const tools: Record<string, ToolConfig> = {
    own: { cache: { ttl: "5m" } },
    shared: { cache: { ttl: "5m", scope: "public" } },
    swr: { cache: { ttl: "1s", staleWhileRevalidate: "1h" } },
  };
  const one: OriginConfig = { url: origin.url, lists: { defaultTtl: "5m" }, tools };
  // Each where something is kept that others should not find.
  const ids = ["changes", "post", "caps", "again", "hinted"];
  replica = await startReplica(
    {
      origins: {
        o: { ...one, default: true },
        hasty: { ...one, timeout: { firstByte: "300ms" } },
        ...Object.fromEntries(ids.map((id) => [id, one])),
        caps: { url: origin.url, tools },
      },
    },
    { instances: 2 },
  );
});
afterAll(async () => {
  await replica?.close();
  await origin.stop();
});
beforeEach(() => {
  origin.reset();
  origin.tools = [tool("own"), tool("swr"), tool("shared")];
  sessions = makeStateful(origin);
});

const at = (id: string, instance = 0) => `${replica.urls[instance]}/mcp/${id}`;
const open = (more = {}, id = "o") => openAt(at(id), more);
const isHit = ({ cache }: Got) => cache?.status === "hit";
const hit = (ask: () => Promise<Got>) => until(ask, isHit, 3_000);
const isJson = (got: Got) => expect(got.headers["content-type"]).toContain("application/json");

/** Does it while the origin is down. */
async function whileDown(what: () => Promise<void>): Promise<void> {
  await origin.stop();
  try {
    await what();
  } finally {
    await origin.start();
  }
}

describe("a change that the origin tells of", () => {
  const CHANGED = { method: "notifications/tools/list_changed" };

  test("on the GET stream has lists asked for anew, in the session and elsewhere", async () => {
    let tell!: (event: string) => void;
    origin.on("GET", () => ({
      stream: (response) => {
        response.write(": hi\n\n");
        tell = (event) => void response.write(event);
      },
    }));
    const inSession = origin.inSession!;
    origin.inSession = (seen) => (seen.isModern ? undefined : inSession(seen));
    origin.eras = "both";
    const session = await open({}, "changes");
    const list = () => inside(session, "tools/list");
    const elsewhere = () => modern(at("changes"), "tools/list");
    origin.on("tools/list", () => ({ result: { tools: origin.tools } }));
    const ear = await streamAt(session.url, session.headers);
    await hit(list);
    await hit(elsewhere);
    origin.tools = [tool("brand_new")];
    tell(`data: {"jsonrpc":"2.0","method":"${CHANGED.method}"}\n\n`);
    await ear.heard(1);
    expect(names(await list())).toEqual(["brand_new"]);
    expect(names(await elsewhere())).toEqual(["brand_new"]);
    ear.leave();
  });

  test("on the stream of a call has lists asked for anew", async () => {
    const session = await open({}, "post");
    const list = () => inside(session, "tools/list");
    await list();
    await hit(list);
    origin.on("tools/call enable", () => {
      origin.tools = [tool("enabled")];
      return { ...text("done"), sse: [CHANGED] };
    });
    await callIn(session, "enable");
    expect(names(await list())).toEqual(["enabled"]);
  });
});

describe("an origin that repeats its session's id", () => {
  beforeEach(() => {
    origin.on("tools/call", ({ headers, name, nth }) => ({
      ...text(`${name} ${nth}`),
      headers: { "mcp-session-id": headers["mcp-session-id"] as string },
    }));
  });

  test.each([false, true])("has its answers kept all the same (as streams: %s)", async (sse) => {
    origin.sse = sse;
    const session = await open();
    await callIn(session, "own");
    expect(said(await hit(() => callIn(session, "own")))).toMatch(/^own \d$/);
    const relayed = await callIn(session, "other");
    expect([said(relayed), relayed.headers["mcp-session-id"]]).toEqual(["other 1", session.id]);
  });

  test("has a stale answer renewed behind", async () => {
    const session = await open();
    await callIn(session, "swr");
    const ask = () => callIn(session, "swr");
    await until(ask, ({ cache }) => cache?.status === "stale");
    const renewed = await until(ask, (got) => said(got) !== "swr 1", 3_000);
    expect(renewed.cache).toBeDefined();
  });
});

test("a call at another instance has the origin initialize no more than once", async () => {
  await open({}, "again");
  await until(
    () => stored(replica, "initialize", "again"),
    (kept) => kept.length > 0,
  );
  const session = { ...(await open({}, "again")), url: at("again", 1) };
  origin.seen = [];
  for (let nth = 0; nth < 8; nth++) expect(said(await callIn(session, "t", { nth }))).toMatch(/^t \d$/);
  expect((await inside(session, "tools/list")).status).toBe(200);
  // What was done behind the first of them has had its time by now, and some more.
  await expect.poll(() => origin.count("initialize") + origin.count("DELETE"), { timeout: 400 }).toBe(0);
  await new Promise((resolve) => setTimeout(resolve, 400));
  expect([origin.count("initialize"), origin.count("DELETE")]).toEqual([0, 0]);
});

describe("beside POST", () => {
  test("an origin that is down is told with 503, and the session goes on", async () => {
    const session = await open();
    await whileDown(async () => {
      for (const method of ["GET", "DELETE"] as const) {
        const got = await beside(method, session);
        expect([method, got.status, codeOf(got)]).toEqual([method, 503, "origin_unavailable"]);
        isJson(got);
      }
      const note = await post(session.url, { jsonrpc: "2.0", method: "notifications/initialized" }, session.headers);
      expect(note.status).toBe(503);
    });
    expect(said(await callIn(session, "t"))).toBe("t 1");
    expect(sessions.live.size).toBe(1);
  });

  test("an origin that is late is told with 504", async () => {
    const session = await open({}, "hasty");
    for (const method of ["GET", "DELETE"] as const) {
      origin.on(method, () => "hang");
      const got = await beside(method, session);
      expect([method, got.status, codeOf(got)]).toEqual([method, 504, "origin_timeout"]);
    }
    expect(said(await callIn(session, "t"))).toBe("t 1");
  });

  test.each([401, 403])("an origin that refuses the replica with %i is told with 502", async (status) => {
    const session = await open();
    for (const method of ["GET", "DELETE"] as const) {
      origin.on(method, () => ({ status, headers: { "www-authenticate": "Bearer" }, text: "no" }));
      const got = await beside(method, session);
      expect([method, got.status, got.headers["www-authenticate"]]).toEqual([method, 502, undefined]);
    }
  });

  test.each([301, 302, 307, 308])("a redirect (%i) does not pass", async (status) => {
    const session = await open();
    const redirect = () => ({ status, headers: { location: "http://127.0.0.1:9/elsewhere" }, text: "" });
    for (const what of ["GET", "DELETE", "tools/call", "notifications/x"]) origin.on(what, redirect);
    const note = { jsonrpc: "2.0", method: "notifications/x" };
    const got = {
      GET: await beside("GET", session),
      DELETE: await beside("DELETE", session),
      call: await callIn(session, "t"),
      cached: await callIn(session, "own"),
      note: await post(session.url, note, session.headers),
    };
    for (const [what, one] of Object.entries(got)) {
      const expected = what === "call" || what === "cached" ? 200 : 502;
      expect([what, one.status, one.headers["location"]]).toEqual([what, expected, undefined]);
    }
    expect(codeOf(got.call)).toBeDefined();
  });

  test.each([500, 503, 401])("a notification that fails with %i is no 200", async (status) => {
    const session = await open();
    origin.on("notifications/x", () => ({ status, text: "<h1>no</h1>", headers: { "content-type": "text/html" } }));
    const got = await post(session.url, { jsonrpc: "2.0", method: "notifications/x" }, session.headers);
    expect(got.status).toBeGreaterThanOrEqual(500);
  });
});

test("long capabilities separate lists by their extensions as short ones do", async () => {
  origin.on("tools/list", ({ headers }) => ({
    result: {
      tools: [tool(`for-${headers["mcp-session-id"]}`)],
      _meta: { "edge-replica/cache-control": "public, max-age=300" },
    },
  }));
  const pad = (size: number, more = {}) => ({
    capabilities: { extensions: { "io.x/ui": { m: "x".repeat(size) } }, ...more },
  });
  const plain = await open({}, "caps");
  const seen = names(await inside(plain, "tools/list"));
  await hit(() => inside(plain, "tools/list"));
  // A control: what is public is another session's as well.
  expect(names(await hit(async () => inside(await open({}, "caps"), "tools/list")))).toEqual(seen);
  const lists = [seen];
  for (const more of [pad(1_100), pad(1_200), pad(1)]) {
    const session = await open(more, "caps");
    lists.push(names(await inside(session, "tools/list")));
  }
  expect(new Set(lists.flat()).size).toBe(4);
  // Other capabilities than the extensions do not matter to lists.
  const same = await open(pad(1_100, { sampling: {} }), "caps");
  expect(names(await hit(() => inside(same, "tools/list")))).toEqual(lists[1]);
});

describe("a session shares no answers that depend on what clients declare, where it", () => {
  const stored = async () => {
    const plain = await open();
    const args = { nth: Math.random() };
    return { plain, args };
  };

  test("declares what the replica makes of long capabilities", async () => {
    const long = { elicitation: {}, extensions: { "io.x/long": { m: "x".repeat(2_000) } } };
    const sha256 = createHash("sha256").update(JSON.stringify(long)).digest("hex");
    const extensions = { sha256: createHash("sha256").update(JSON.stringify(long.extensions)).digest("hex") };
    const { args } = await stored();
    await callIn(await open({ capabilities: { sha256, extensions } }), "shared", args);
    expect(isHit(await callIn(await open({ capabilities: long }), "shared", args))).toBe(false);
    // A control: those who declare the same do share.
    await hit(async () => callIn(await open({ capabilities: long }), "shared", args));
  });

  test("was opened in words that two readers may understand differently", async () => {
    const { plain, args } = await stored();
    const params = `"protocolVersion":"2025-11-25","clientInfo":{"name":"test","version":"1"}`;
    const body = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"capabilities":{"sampling":{}},"capabilities":{},${params}}}`;
    const opened = await post(plain.url, body);
    const odd = { ...plain, headers: { ...plain.headers, "mcp-session-id": opened.headers["mcp-session-id"]! } };
    expect(said(await callIn(odd, "shared", args))).toMatch(/^shared/);
    expect(isHit(await callIn(plain, "shared", args))).toBe(false);
    await hit(() => callIn(odd, "shared", args));
  });
});

describe("a batch in a session", () => {
  const message = (id: number | undefined, method: string, params = {}) => ({ jsonrpc: "2.0", id, method, params });

  test("has a typed error for each message that the origin answers with no JSON-RPC", async () => {
    const session = await open({ version: "2025-03-26" });
    origin.on("tools/call a", () => ({ status: 400, headers: { "content-type": "text/html" }, text: "<h1>Bad</h1>" }));
    origin.on("tools/call c", () => ({ status: 400, text: "" }));
    const calls = ["a", "b", "c"].map((name, index) => message(index + 1, "tools/call", { name }));
    const got = await post(session.url, calls, session.headers);
    isJson(got);
    const codes = got.body.map((body: unknown) => codeOf({ ...got, body }));
    expect(got.body.map(({ id }: { id: number }) => id)).toEqual([1, 2, 3]);
    expect([typeof codes[0], codes[1], typeof codes[2]]).toEqual(["string", undefined, "string"]);
    expect(said({ ...got, body: got.body[1] })).toBe("b 1");
  });

  test("has no answer for a notification, nor for a response, that fails", async () => {
    const session = await open({ version: "2025-03-26" });
    origin.on("notifications/x", () => ({ status: 503, text: "down" }));
    const batch = [message(undefined, "notifications/x"), message(3, "ping")];
    const got = await post(session.url, batch, session.headers);
    expect(got.body.map(({ id }: { id: number }) => id)).toEqual([3]);
    await whileDown(async () => {
      const rest = [message(undefined, "notifications/x"), { jsonrpc: "2.0", id: 9, result: {} }];
      const none = await post(session.url, rest, session.headers);
      expect(none.text).not.toContain('"id"');
    });
  });
});

describe("an id of a session", () => {
  const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

  // Of three lengths that follow each other, two have bits to spare in their last character.
  test.each([0, 1, 2])("spelled otherwise is none, before the session is over and after (%i)", async (more) => {
    const session = await open({ capabilities: { experimental: { m: "x".repeat(more) } } });
    const { id } = session;
    const last = LETTERS.indexOf(id.at(-1)!);
    const spare = [0, 0, 15, 3][(id.length - "er1.".length) % 4]!;
    const others = [`${id}=`, `${id}==`, `${id.slice(0, 20)} ${id.slice(20)}`, `${id.slice(0, 9)}\t${id.slice(9)}`];
    if (spare) others.push(id.slice(0, -1) + LETTERS[last ^ 1], id.slice(0, -1) + LETTERS[last ^ spare]);
    const ask = (other: string) =>
      callIn({ ...session, headers: { ...session.headers, "mcp-session-id": other } }, "own", { h: 1 });
    await ask(id);
    await hit(() => ask(id));
    for (const other of others) expect([other, (await ask(other)).status]).toEqual([other, 404]);
    expect((await beside("DELETE", session)).status).toBe(200);
    for (const other of [id, ...others]) expect([other, (await ask(other)).status]).toEqual([other, 404]);
  });

  test("is a new one where a client initializes with an old one's header", async () => {
    origin.on("tools/call who", ({ headers }) => text(headers["mcp-session-id"] as string));
    const first = await open();
    const headers = { "mcp-session-id": first.id };
    const second = await open({ headers, capabilities: { sampling: {} } });
    expect(second.id).toBeDefined();
    expect(second.id).not.toBe(first.id);
    const [one, two] = [said(await callIn(first, "who")), said(await callIn(second, "who"))];
    expect([one, two].map((id) => sessions.live.has(id))).toEqual([true, true]);
    expect(one).not.toBe(two);
  });
});

test("a refresh behind that meets 404 ends the session for hits too", async () => {
  const session = await open();
  await callIn(session, "own");
  await hit(() => callIn(session, "own"));
  await callIn(session, "swr");
  await until(
    () => callIn(session, "swr"),
    ({ cache }) => cache?.status === "stale",
  );
  // That one was still renewed; the next refresh is the one that meets 404.
  sessions.live.clear();
  await until(
    () => callIn(session, "swr"),
    ({ status }) => status === 404,
    4_000,
  );
  const got = await callIn(session, "own");
  expect([got.status, codeOf(got)]).toEqual([404, "session_not_found"]);
});

test("initialize is not answered from the store while the origin is up, whatever it hints", async () => {
  const { live } = sessions;
  origin.on("initialize", ({ params, nth }) => {
    const id = `hinted-${nth}`;
    live.add(id);
    return {
      headers: { "mcp-session-id": id },
      result: {
        protocolVersion: params.protocolVersion,
        capabilities: { tools: {} },
        serverInfo: { name: "hinted", version: "1" },
        _meta: { "edge-replica/cache-control": "max-age=300" },
      },
    };
  });
  await open({}, "hinted");
  await until(
    () => stored(replica, "initialize", "hinted"),
    (kept) => kept.length > 0,
  );
  for (const _ of [1, 2, 3]) {
    const before = origin.count("initialize");
    const session = await open({}, "hinted");
    expect(origin.count("initialize")).toBe(before + 1);
    expect([session.got.cache?.status, said(await callIn(session, "t"))]).toEqual([
      undefined,
      expect.stringMatching(/^t/),
    ]);
  }
  await whileDown(async () => {
    const session = await open({}, "hinted");
    expect([session.got.status, session.got.cache?.status]).toEqual([200, "stale"]);
  });
});
