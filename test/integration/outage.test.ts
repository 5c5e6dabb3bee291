import { mkdtemp, rm } from "node:fs/promises";
import { request } from "node:http";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Fixture, type Handler, text, tool } from "./support/fixture.ts";
import { type Replica, seed, startReplica } from "./support/replica.ts";
import { JSON_TYPE, left, saying, Scripted } from "./support/scripted.ts";
import { call, codeOf, initialize, legacy, legacyCall, modern, modernBody, modernHeaders } from "./support/wire.ts";
import { type Got, said, send, until } from "./support/wire.ts";

// Each has an origin of its own: what has happened to one is remembered.
const HOW = { hangs: "hang", resets: "reset", "answers 500": { status: 500, text: "oops" } } as const;
const IDS = ["hangs", "resets", "answers-500", "shared", "errs", "one-tool", "sessions"] as const;
type Id = (typeof IDS)[number];

const MINUTE = 60_000;
const HOUR = 3_600_000;
const slow = new Scripted();
const origins = Object.fromEntries(IDS.map((id) => [id, new Fixture()])) as Record<Id, Fixture>;
let replica: Replica;

const configOf = ({ url }: { url: string }) =>
  ({
    url,
    timeout: { firstByte: "400ms", total: "800ms" },
    sync: { pulse: "250ms" },
    tools: {
      kept: { cache: { ttl: "1m", staleIfError: "1h" } },
      behind: { cache: { ttl: "1m", staleWhileRevalidate: "1h" } },
    },
  }) as const;

beforeAll(async () => {
  await Promise.all([slow, ...Object.values(origins)].map((origin) => origin.start()));
  for (const origin of Object.values(origins)) origin.tools = [tool("kept"), tool("behind"), tool("plain")];
  replica = await startReplica(
    { origins: { left: configOf(slow), ...Object.fromEntries(IDS.map((id) => [id, configOf(origins[id])])) } },
    { instances: 2, vars: { REPLICA_LOG: "json" } },
  );
});
afterAll(async () => {
  await replica?.close();
  await Promise.all([slow, ...Object.values(origins)].map((origin) => origin.stop()));
});

const at = (id: Id | "left", instance = 0) => `${replica.urls[instance]}/mcp/${id}`;
const METHODS = ["server/discover", "initialize", "ping", "tools/list", "tools/call", "prompts/get", "GET"];

/** Makes an origin fail at everything. */
function fail(origin: Fixture, how: Awaited<ReturnType<Handler>>): void {
  for (const method of METHODS) origin.on(method, () => how);
}

/** Makes it well again, with nothing seen. */
function mend(origin: Fixture): void {
  origin.reset();
}

/** What an origin has seen, but for probes. */
const askedOf = ({ seen }: Fixture) => seen.filter(({ method }) => method !== "server/discover");
const isDown = (got: Got) => codeOf(got) === "origin_unavailable" && said(got).includes("too often to be asked");

/** Calls until the origin is known to be down. */
async function foundDown(url: string, ask = () => call(url, "plain")): Promise<Got> {
  return until(ask, isDown);
}

describe.each(Object.entries(HOW))("an origin that %s", (what, how) => {
  const id = what.replace(" ", "-") as Id;
  const origin = origins[id];
  const old = (target: string, variant: object) =>
    seed(replica, {
      origin: id,
      target,
      variant,
      ageMs: 2 * MINUTE,
      entry: { ttlMs: MINUTE, ...(target === "kept" ? { staleIfErrorMs: HOUR } : { staleWhileRevalidateMs: HOUR }) },
    });

  test("is asked no more, but for probes, and what is stored is answered all the same", async () => {
    await call(at(id), "plain");
    await modern(at(id), "tools/list");
    await legacy(at(id), "tools/list");
    await until(
      () => [origin.count("server/discover"), origin.count("initialize")],
      ([discovers, initializes]) => discovers! > 0 && initializes! > 0,
    );
    await old("kept", { q: 1 });
    await old("behind", { q: 1 });
    fail(origin, how);
    for (let time = 0; time < 5; time++) {
      expect(codeOf(await call(at(id), "plain"))).toMatch(/^origin_(unavailable|timeout)$/);
    }
    await foundDown(at(id));
    origin.seen = [];
    for (let time = 0; time < 20; time++) {
      for (const name of ["kept", "behind"]) {
        const got = await call(at(id), name, { q: 1 });
        expect([name, got.cache?.status, said(got)]).toEqual([name, "stale", "old"]);
      }
      expect(isDown(await call(at(id), "plain"))).toBe(true);
    }
    const vain = replica.lines.filter((line) => line.includes('"refresh-failed"') && line.includes(`"${id}"`));
    expect(vain).toEqual([]);
    const again = await call(at(id), "kept", { q: 1 }, { headers: { "cache-control": "no-cache" } });
    expect([again.cache?.status, again.headers["cache-status"]]).toEqual([
      "stale",
      expect.stringMatching(/fwd=stale; ttl=-\d+; detail=stale-if-error$/),
    ]);
    for (const got of [
      await modern(at(id), "server/discover"),
      await modern(at(id), "tools/list"),
      await initialize(at(id)),
    ]) {
      expect([got.status, got.cache?.status]).toEqual([200, "stale"]);
    }
    for (const got of [
      await call(at(id), "kept", { q: "never" }),
      await legacyCall(at(id), "plain"),
      await modern(at(id), "prompts/get", { name: "p" }),
    ]) {
      expect([got.status, codeOf(got)]).toEqual([200, "origin_unavailable"]);
      const facts = got.body.error?.data ?? got.body.result._meta["edge-replica/error"];
      expect(facts.retryAfterMs).toBeGreaterThanOrEqual(1_000);
    }
    const cached = await call(at(id), "plain", {}, { headers: { "cache-control": "only-if-cached" } });
    expect(codeOf(cached)).toBe("not_cached");
    expect(askedOf(origin)).toEqual([]);
    // One in each growing period, of this isolate and of the origin's object; not one for each call.
    expect(origin.count("server/discover")).toBeLessThan(12);
  });

  test("is asked again when it is well, and no call is lost to find that out", async () => {
    mend(origin);
    await until(
      () => call(at(id), "plain"),
      (got) => codeOf(got) === undefined,
      20_000,
    );
    expect(said(await call(at(id), "kept", { q: 1 }))).toBe("kept 1");
    // All that it saw was answered: nothing was sent while it was down, or to try whether it is.
    expect(origin.count("tools/call", "plain")).toBe(1);
  });
});

test("what one instance finds the other hears, that it is down and that it is up, without asking the origin itself", async () => {
  const origin = origins.shared;
  const told = (state: string) =>
    replica.lines.filter((line) => line.includes('"origin-health"') && line.includes(`"shared","state":"${state}"`));
  // Traffic that does not concern the origin.
  const ping = () => Promise.all([0, 1].map((instance) => legacy(at("shared", instance), "ping")));
  await Promise.all([0, 1].map((instance) => call(at("shared", instance), "plain")));
  fail(origin, { status: 503, text: "" });
  await foundDown(at("shared"));
  await until(ping, () => told("down").length === 2);
  expect(told("down").map((line) => JSON.parse(line))).toMatchObject(
    Array(2).fill({ type: "origin-health", origin: "shared", state: "down", reason: "HTTP 503" }),
  );
  origin.seen = [];
  expect(isDown(await call(at("shared", 1), "plain"))).toBe(true);
  expect(askedOf(origin)).toEqual([]);
  const gauge = async () => (await send(`${replica.url}/metrics`, { method: "GET" })).text;
  expect(await gauge()).toContain('mcp_origin_health{origin="shared"} 0\n');
  mend(origin);
  await until(ping, () => told("up").length === 2, 20_000);
  expect(said(await call(at("shared", 1), "plain"))).toBe("plain 1");
  await until(gauge, (text) => text.includes('mcp_origin_health{origin="shared"} 1\n'), 20_000);
});

test("what an origin answers, errors and limits included, is no outage, however often", async () => {
  const origin = origins.errs;
  await call(at("errs"), "plain");
  await until(
    () => origin.count("server/discover"),
    (count) => count > 0,
  );
  origin.seen = [];
  const answers: ReturnType<Handler>[] = [
    text("it failed", { isError: true }),
    { error: { code: -32603, message: "crashed" } },
    { status: 429, text: "" },
    { status: 404, text: "not here" },
    { status: 401, text: "" },
    { text: "no JSON" },
  ];
  for (const answer of answers) {
    origin.on("tools/call", () => answer);
    for (let time = 0; time < 6; time++) {
      await call(at("errs"), "plain");
      await call(at("errs"), "kept", { time, answer: answers.indexOf(answer) });
    }
  }
  expect([origin.count("tools/call", "plain"), origin.count("tools/call", "kept")]).toEqual([36, 36]);
  expect(origin.count("server/discover")).toBe(0);
});

test("nor is it one that callers leave a slow tool", async () => {
  const url = at("left");
  await call(url, "plain");
  await until(
    () => slow.count("server/discover"),
    (count) => count > 0,
  );
  slow.asked = [];
  const leaving: Promise<void>[] = [];
  slow.on("tools/call", (_, response) => leaving.push(left(response)));
  for (const name of ["plain", "kept"]) {
    for (let time = 0; time < 6; time++) {
      const params = { name, arguments: { time } };
      const sent = request(url, { method: "POST", agent: false, headers: modernHeaders("tools/call", params) });
      sent.on("error", () => {});
      sent.end(modernBody("tools/call", params));
      await until(
        () => slow.count("tools/call", name),
        (count) => count === time + 1,
      );
      sent.socket?.resetAndDestroy();
    }
  }
  await Promise.all(leaving);
  slow.on("tools/call", (asked, response) => response.writeHead(200, JSON_TYPE).end(saying(asked, "well")));
  expect(said(await call(url, "plain"))).toBe("well");
  expect(slow.count("server/discover")).toBe(0);
});

test("one tool that fails keeps nobody from the others: a probe finds that the origin is well", async () => {
  const origin = origins["one-tool"];
  await call(at("one-tool"), "plain");
  await call(at("one-tool"), "kept", { q: 0 });
  await until(
    () => origin.count("server/discover"),
    (count) => count > 0,
  );
  origin.seen = [];
  // A call that many wait for is one.
  origin.on("tools/call", () => "reset");
  await Promise.all(Array.from({ length: 20 }, () => call(at("one-tool"), "kept", { q: 1 })));
  // The call that all share, and once more.
  expect([origin.count("tools/call", "kept"), origin.count("server/discover")]).toEqual([2, 0]);
  origin.reset();
  expect(said(await call(at("one-tool"), "plain"))).toBe("plain 1");
  expect(origin.count("server/discover")).toBe(0);
  origin.on("tools/call bad", () => "reset");
  for (let time = 0; time < 20; time++) {
    expect(codeOf(await call(at("one-tool"), "bad"))).toBe("origin_unavailable");
    expect(origin.count("tools/call", "bad")).toBe(time + 1);
  }
  expect(origin.count("server/discover")).toBeGreaterThan(0);
  // Many at once, while there is doubt, wait for the one probe.
  expect(codeOf(await call(at("one-tool"), "bad"))).toBe("origin_unavailable");
  const all = await Promise.all(Array.from({ length: 20 }, () => call(at("one-tool"), "plain")));
  expect(all.map(codeOf)).toEqual(Array(20).fill(undefined));
});

test("a session fails as fast as everything else, and goes on when the origin is well", async () => {
  const origin = origins.sessions;
  origin.eras = "legacy";
  const opens: Handler = ({ nth, params }) => ({
    headers: { "mcp-session-id": `session-${nth}` },
    result: {
      protocolVersion: params.protocolVersion,
      capabilities: { tools: {} },
      serverInfo: { name: "stateful", version: "1" },
    },
  });
  origin.on("initialize", opens);
  const opened = await initialize(at("sessions"));
  const headers = { "mcp-session-id": opened.headers["mcp-session-id"]! };
  expect(said(await legacyCall(at("sessions"), "plain", {}, { headers }))).toBe("plain 1");
  await until(
    () => origin.count("server/discover"),
    (count) => count > 0,
  );
  fail(origin, "reset");
  await foundDown(at("sessions"), () => legacyCall(at("sessions"), "plain", {}, { headers }));
  origin.seen = [];
  const stream = { accept: "text/event-stream", ...headers };
  const got = await send(at("sessions"), { method: "GET", headers: stream });
  expect([got.status, codeOf(got)]).toEqual([503, "origin_unavailable"]);
  expect(isDown(await legacyCall(at("sessions"), "plain", {}, { headers }))).toBe(true);
  // Probed in the era that it speaks.
  expect(origin.seen.filter(({ method }) => method !== "ping")).toEqual([]);
  mend(origin);
  origin.eras = "legacy";
  const back = await until(
    () => legacyCall(at("sessions"), "plain", {}, { headers }),
    (one) => codeOf(one) === undefined,
    20_000,
  );
  expect([said(back), origin.last("tools/call").headers["mcp-session-id"]]).toEqual(["plain 1", "session-1"]);
});

test("an outage is known after a restart, and ends after it", async () => {
  const state = await mkdtemp(path.join(tmpdir(), "replica-state-"));
  const origin = await new Fixture().start();
  const config = { origins: { o: configOf(origin) } };
  const start = () => startReplica(config, { state });
  try {
    fail(origin, { status: 500, text: "" });
    const before = await start();
    await foundDown(before.mcp);
    // What the isolate has found, the object has heard and found, too.
    await until(
      () => legacy(before.mcp, "ping"),
      () => origin.count("server/discover") >= 3,
    );
    await before.close();
    origin.seen = [];
    const after = await start();
    try {
      expect(isDown(await call(after.mcp, "plain"))).toBe(true);
      expect(askedOf(origin)).toEqual([]);
      mend(origin);
      await until(
        () => call(after.mcp, "plain"),
        (got) => codeOf(got) === undefined,
        20_000,
      );
      expect(origin.count("tools/call")).toBe(1);
    } finally {
      await after.close();
    }
  } finally {
    await origin.stop();
    await rm(state, { recursive: true });
  }
});

test("where every call is relayed, it is", async () => {
  const origin = await new Fixture().start();
  fail(origin, { status: 500, text: "" });
  const relaying = await startReplica({ origins: { o: configOf(origin) }, enabled: false });
  try {
    for (let time = 0; time < 8; time++) await call(relaying.mcp, "plain");
    expect([origin.count("tools/call"), origin.count("server/discover")]).toEqual([8, 0]);
  } finally {
    await relaying.close();
    await origin.stop();
  }
});
