import { request, type ServerResponse } from "node:http";
import { connect } from "node:net";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { Fixture } from "./support/fixture.ts";
import { bearer, makeKey, PEPPER } from "./support/keys.ts";
import { beside, openAt } from "./support/sessionsOf.ts";
import { makeStateful } from "./support/stateful.ts";
import { type Replica, seed, startReplica } from "./support/replica.ts";
import { event, left, saying, Scripted, SSE_TYPE } from "./support/scripted.ts";
import {
  type Ask,
  call,
  codeOf,
  type Got,
  legacyCall,
  modern,
  modernBody,
  modernHeaders,
  said,
  send,
  until,
} from "./support/wire.ts";

const HOST = "replica.example.com";
const EDGE = 20;
const ORIGIN = 3;
const TOOL = 2;
const CONCURRENCY = 2;

let replica: Replica;
const origin = new Scripted();
const older = new Fixture();
const stateful = new Fixture();
const cache = { ttl: "10m", scope: "public" } as const;

beforeAll(async () => {
  await Promise.all([origin.start(), older.start(), stateful.start()]);
  older.eras = "legacy";
  // Clients cannot end its sessions.
  makeStateful(stateful, { DELETE: () => ({ status: 405, text: "" }) });
  const names = ["kept", "old", "plain", "few", "many_a", "many_b", "unbound", "slow"];
  origin.tools = names.map((name) => ({ name, inputSchema: { type: "object" } }));
  replica = await startReplica(
    {
      origins: {
        older: { url: older.url, lists: { staleIfError: "1h" } },
        stateful: { url: stateful.url },
        o: {
          url: origin.url,
          default: true,
          lists: { defaultTtl: "10m" },
          tools: {
            kept: { cache },
            old: { cache: { ttl: "1s", staleIfError: "1h", scope: "public" } },
            few: { cache, limit: "TOOL_LIMIT" },
            "many_*": { limit: "TOOL_LIMIT" },
            unbound: { limit: "NOT_BOUND" },
          },
        },
      },
      hosts: [HOST],
      access: { open: true, openOnPurpose: true, keys: true },
      limits: { edge: "EDGE_LIMIT", origin: "ORIGIN_LIMIT", concurrency: CONCURRENCY },
    },
    {
      vars: { KEY_PEPPER: PEPPER },
      rateLimits: {
        EDGE_LIMIT: { limit: EDGE, period: 60 },
        ORIGIN_LIMIT: { limit: ORIGIN, period: 60 },
        TOOL_LIMIT: { limit: TOOL, period: 60 },
      },
    },
  );
  // What is the same for all is known before anybody is counted.
  await call(replica.mcp, "kept", { q: "warm" });
});
afterAll(async () => {
  await replica.close();
  await Promise.all([origin.stop(), older.stop(), stateful.stop()]);
});
beforeEach(async () => {
  origin.reset();
  // Windows begin with the minute: no test goes on into the next.
  const leftMs = 60_000 - (Date.now() % 60_000);
  if (leftMs < 8_000) await new Promise((resolve) => setTimeout(resolve, leftMs));
});

let callers = 0;

/** Somebody who comes from outside, from an address of its own. */
function stranger(): Ask {
  return from(`198.51.${Math.floor(++callers / 250)}.${callers % 250}`);
}

/** Somebody who comes from that address, as Cloudflare says. */
function from(address: string, more: Record<string, string> = {}): Ask {
  return { headers: { host: HOST, "cf-connecting-ip": address, ...more } };
}

/** Calls a tool so often, one after the other; the codes of the answers. */
async function repeated(times: number, ask: (nth: number) => Promise<Got>): Promise<(string | undefined)[]> {
  const codes: (string | undefined)[] = [];
  for (let nth = 0; nth < times; nth++) codes.push(codeOf(await ask(nth)));
  return codes;
}

const fine = (times: number) => Array<undefined>(times).fill(undefined);

describe("limits.edge", () => {
  test("one address has so many requests, of whatever kind; others have their own", async () => {
    const me = stranger();
    expect(await repeated(EDGE, () => call(replica.mcp, "kept", { q: "warm" }, me))).toEqual(fine(EDGE));
    const refused = await call(replica.mcp, "kept", { q: "warm" }, me);
    expect([refused.status, refused.body.result.isError, refused.cache]).toEqual([200, true, undefined]);
    expect(refused.body.result._meta["edge-replica/error"]).toMatchObject({
      code: "rate_limited",
      retryAfterMs: 10_000,
    });
    expect(said(refused)).toContain("as many requests as you may");
    const list = await modern(replica.mcp, "tools/list", {}, me);
    expect([list.status, list.body.error.data]).toMatchObject([200, { code: "rate_limited", retryAfterMs: 10_000 }]);
    expect(codeOf(await legacyCall(replica.mcp, "kept", { q: "warm" }, me))).toBe("rate_limited");
    expect((await call(replica.mcp, "kept", { q: "warm" }, stranger())).cache?.status).toBe("hit");
  });

  test("what has no answer is dropped with 429, and a batch counts as what is in it", async () => {
    const me = stranger();
    const message = { jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "kept", arguments: { q: "warm" } } };
    const headers = {
      accept: "application/json, text/event-stream",
      "content-type": "application/json",
      "mcp-protocol-version": "2025-03-26",
      ...me.headers,
    };
    const batch = (length: number) =>
      send(replica.mcp, { headers, body: JSON.stringify(Array.from({ length }, (_, id) => ({ ...message, id }))) });
    expect((await batch(EDGE - 1)).status).toBe(200);
    const tooMany = await batch(2);
    expect([tooMany.status, codeOf(tooMany), tooMany.headers["retry-after"]]).toEqual([429, "rate_limited", "10"]);
    const notification = { jsonrpc: "2.0", method: "notifications/initialized" };
    const dropped = await send(replica.mcp, { headers, body: JSON.stringify(notification) });
    expect([dropped.status, codeOf(dropped)]).toEqual([429, "rate_limited"]);
    expect(origin.count("notifications/initialized")).toBe(0);
  });

  test("nobody has more by naming other addresses, by those of its own network, or by other spellings", async () => {
    const spoofed = (nth: number) => ({
      "x-forwarded-for": `203.0.113.${nth}`,
      "x-real-ip": `203.0.113.${nth}`,
      forwarded: `for=203.0.113.${nth}`,
      "true-client-ip": `203.0.113.${nth}`,
    });
    await repeated(EDGE, (nth) => call(replica.mcp, "kept", { q: "warm" }, from("198.18.0.1", spoofed(nth))));
    const refused = await call(replica.mcp, "kept", { q: "warm" }, from("198.18.0.1", spoofed(99)));
    expect(codeOf(refused)).toBe("rate_limited");
    const sixes = (nth: number) => from(nth % 2 ? `2001:db8:0:7::${nth}` : `2001:0DB8:0:7:${nth}:1:2:3`);
    await repeated(EDGE, (nth) => call(replica.mcp, "kept", { q: "warm" }, sixes(nth)));
    expect(codeOf(await call(replica.mcp, "kept", { q: "warm" }, sixes(99)))).toBe("rate_limited");
    expect(codeOf(await call(replica.mcp, "kept", { q: "warm" }, from("2001:db8:0:8::1")))).toBeUndefined();
  });

  test("a key is counted as itself, wherever it is used from", async () => {
    const [mine, theirs] = [await makeKey(replica), await makeKey(replica)];
    const by = (key: string, address: string) => from(address, bearer(key).headers as Record<string, string>);
    await repeated(EDGE, (nth) => call(replica.mcp, "kept", { q: "warm" }, by(mine.key, `198.18.1.${nth}`)));
    expect(codeOf(await call(replica.mcp, "kept", { q: "warm" }, by(mine.key, "198.18.1.200")))).toBe("rate_limited");
    expect(codeOf(await call(replica.mcp, "kept", { q: "warm" }, by(theirs.key, "198.18.1.200")))).toBeUndefined();
  });

  test("requests whose body never ends count as well, and keep nobody else waiting", async () => {
    const { port, hostname } = new URL(replica.url);
    const head = { ...modernHeaders("tools/call", { name: "kept" }), host: HOST, "cf-connecting-ip": "198.18.4.1" };
    const lines = Object.entries({ ...head, "content-length": "1000" }).map(([name, value]) => `${name}: ${value}`);
    const sockets = Array.from({ length: EDGE }, () => connect(Number(port), hostname));
    for (const socket of sockets) socket.write(`POST /mcp HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n{"json`);
    await until(
      () => call(replica.mcp, "kept", { q: "warm" }, from("198.18.4.1")),
      (got) => codeOf(got) === "rate_limited",
    );
    expect((await call(replica.mcp, "kept", { q: "warm" }, stranger())).cache?.status).toBe("hit");
    for (const socket of sockets) socket.destroy();
  });

  test("on this machine nobody is counted, but for who comes through Cloudflare", async () => {
    const local = await Promise.all(Array.from({ length: EDGE + 5 }, (_, q) => call(replica.mcp, "plain", { q })));
    expect(local.map(codeOf)).toEqual(fine(EDGE + 5));
    const tunnelled = { headers: { "cf-connecting-ip": "198.18.2.1" } };
    await repeated(EDGE, () => call(replica.mcp, "kept", { q: "warm" }, tunnelled));
    expect(codeOf(await call(replica.mcp, "kept", { q: "warm" }, tunnelled))).toBe("rate_limited");
  });
});

describe("limits.origin", () => {
  test("calls that reach the origin are counted, fills and relays alike; hits are free", async () => {
    const me = stranger();
    expect(codeOf(await call(replica.mcp, "kept", { q: "fill" }, me))).toBeUndefined();
    expect(await repeated(2, () => call(replica.mcp, "plain", {}, me))).toEqual(fine(2));
    const before = origin.asked.length;
    const refused = [
      await call(replica.mcp, "kept", { q: "other" }, me),
      await call(replica.mcp, "plain", {}, me),
      await legacyCall(replica.mcp, "plain", {}, me),
      await modern(replica.mcp, "prompts/get", { name: "p" }, me),
    ];
    expect(refused.map(codeOf)).toEqual(Array(4).fill("rate_limited"));
    expect(said(refused[0]!)).toContain("calls that reach the origin server");
    expect(origin.asked.length).toBe(before);
    const hits = await Promise.all(Array.from({ length: 5 }, () => call(replica.mcp, "kept", { q: "fill" }, me)));
    expect(hits.map(({ cache: of }) => of?.status)).toEqual(Array(5).fill("hit"));
    expect(codeOf(await call(replica.mcp, "plain", {}, stranger()))).toBeUndefined();
  });

  test("of all who wait for one call, the one who makes it pays; who may not make it leaves it to the others", async () => {
    const [poor, me] = [stranger(), stranger()];
    await repeated(ORIGIN, () => call(replica.mcp, "plain", {}, poor));
    let answer!: () => void;
    const asked = new Promise<void>((resolve) => {
      origin.on("tools/call kept", (one, response) => {
        answer = () => response.writeHead(200, { "content-type": "application/json" }).end(saying(one, "together"));
        resolve();
      });
    });
    const mine = Array.from({ length: 8 }, () => call(replica.mcp, "kept", { q: "joined" }, me));
    await asked;
    const theirs = Array.from({ length: 3 }, () => call(replica.mcp, "kept", { q: "joined" }, poor));
    answer();
    expect((await Promise.all([...mine, ...theirs])).map(said)).toEqual(Array(11).fill("together"));
    expect(origin.count("tools/call", "kept")).toBe(1);
    expect(await repeated(ORIGIN, () => call(replica.mcp, "plain", {}, me))).toEqual([
      ...fine(ORIGIN - 1),
      "rate_limited",
    ]);
  });

  test("who has had all calls gets an old answer, where one may be given when the origin fails", async () => {
    const me = stranger();
    const entry = { scope: "public", ttlMs: 1_000, staleIfErrorMs: 3_600_000 } as const;
    await seed(replica, { target: "old", variant: {}, ageMs: 60_000, entry });
    await repeated(ORIGIN, () => call(replica.mcp, "plain", {}, me));
    const got = await call(replica.mcp, "old", {}, me);
    expect([said(got), got.cache?.status]).toEqual(["old", "stale"]);
    expect(origin.count("tools/call", "old")).toBe(0);
    const fresh = await call(replica.mcp, "old", {}, stranger());
    expect([said(fresh), fresh.cache?.status]).toEqual(["old 1", "miss"]);
  });

  test("asking again and again what an origin is counts, though the replica asks in words of its own", async () => {
    const me = stranger();
    const discover = (ask: Ask) =>
      modern(
        `${replica.mcp}/older`,
        "server/discover",
        {},
        { headers: { ...ask.headers, "cache-control": "no-cache" } },
      );
    expect(codeOf(await discover({}))).toBeUndefined();
    const before = older.count("initialize");
    const got = [];
    for (let nth = 0; nth < ORIGIN + 2; nth++) got.push((await discover(me)).cache?.status);
    expect(got).toEqual([...Array(ORIGIN).fill("miss"), "stale", "stale"]);
    expect(older.count("initialize")).toBe(before + ORIGIN);
  });

  test("to end a session is free, once", async () => {
    const session = await openAt(`${replica.mcp}/stateful`, stranger() as { headers: Record<string, string> });
    const codes = await repeated(10, () => beside("DELETE", session));
    expect([codes[0], codes.at(-1)]).toEqual([undefined, "rate_limited"]);
    // The first opened it.
    expect(stateful.count("DELETE")).toBe(1 + ORIGIN - 1);
  });

  test("what the replica asks of its own accord counts against nobody", async () => {
    const me = stranger();
    const soon = { scope: "public", ttlMs: 1_000, staleWhileRevalidateMs: 3_600_000 } as const;
    for (let q = 0; q < 5; q++) {
      await seed(replica, { target: "kept", variant: { again: q }, ageMs: 60_000, entry: soon });
      expect((await call(replica.mcp, "kept", { again: q }, me)).cache?.status).toBe("stale");
    }
    await until(
      () => origin.count("tools/call", "kept"),
      (count) => count === 5,
    );
    expect(await repeated(ORIGIN, () => call(replica.mcp, "plain", {}, me))).toEqual(fine(ORIGIN));
  });
});

describe("a tool's own limit", () => {
  test("counts its calls, answered from the cache or not, for each caller", async () => {
    const [me, other] = [stranger(), stranger()];
    const codes = await repeated(TOOL + 1, () => call(replica.mcp, "few", {}, me));
    expect(codes).toEqual([...fine(TOOL), "rate_limited"]);
    expect(said(await call(replica.mcp, "few", {}, me))).toContain("as many calls of few as you may");
    expect(codeOf(await call(replica.mcp, "few", {}, other))).toBeUndefined();
    expect(codeOf(await call(replica.mcp, "kept", { q: "warm" }, me))).toBeUndefined();
    expect(codeOf(await call(replica.mcp, "few"))).toBeUndefined();
  });

  test("of a pattern counts all that it stands for, apart from other entries with the same binding", async () => {
    const me = stranger();
    const name = (nth: number) => (nth % 2 ? "many_a" : "many_b");
    const codes = await repeated(TOOL + 1, (nth) => call(replica.mcp, name(nth), {}, me));
    expect(codes).toEqual([...fine(TOOL), "rate_limited"]);
    expect(codeOf(await call(replica.mcp, "few", {}, me))).toBeUndefined();
  });

  test("cannot be passed by with two names in one message, nor in a batch", async () => {
    const me = stranger();
    const headers = { ...modernHeaders("tools/call", { name: "few" }), ...me.headers };
    const body = modernBody("tools/call", { name: "few", arguments: {} });
    const twice = await send(replica.mcp, {
      headers,
      body: body.replace('"name":"few"', '"name":"plain","name":"few"'),
    });
    expect(twice.status).toBe(400);
    const message = { jsonrpc: "2.0", method: "tools/call", params: { name: "few", arguments: {} } };
    const batch = JSON.stringify(Array.from({ length: TOOL + 2 }, (_, id) => ({ ...message, id })));
    const got = await send(replica.mcp, {
      headers: { ...headers, "mcp-protocol-version": "2025-03-26", "mcp-method": null, "mcp-name": null },
      body: batch,
    });
    const codes = got.body.map((body: unknown) => codeOf({ body } as Got));
    expect(codes.filter((code: unknown) => code === "rate_limited")).toHaveLength(2);
  });
});

test("where a binding is missing that the configuration names, callers are refused rather than not counted, and /readyz says so", async () => {
  const got = await call(replica.mcp, "unbound", {}, stranger());
  expect([codeOf(got), origin.count("tools/call", "unbound")]).toEqual(["misconfigured", 0]);
  expect(said(got)).toContain("there is no rate-limit binding NOT_BOUND");
  expect(codeOf(await call(replica.mcp, "unbound"))).toBeUndefined();
  const ready = await send(`${replica.url}/readyz`, { method: "GET" });
  expect([ready.status, ready.body]).toMatchObject([503, { ready: false, missing: ["NOT_BOUND"] }]);
});

describe("limits.concurrency", () => {
  /** Calls of `slow` that have reached the origin, and are answered when the test says so. */
  let held: (() => void)[] = [];
  let abandoned = 0;
  beforeEach(() => {
    held = [];
    abandoned = 0;
    origin.on("tools/call slow", (one, response) => {
      void left(response).then(() => abandoned++);
      held.push(() => response.writeHead(200, { "content-type": "application/json" }).end(saying(one, "at last")));
    });
  });
  const slow = (ask: Ask, q = 0) => call(replica.mcp, "slow", { q }, ask);
  const reached = (count: number) =>
    until(
      () => held.length,
      (now) => now === count,
    );

  test("one caller has so many calls at the origin at once; hits, and others, go on", async () => {
    const [me, other] = [stranger(), stranger()];
    const waiting = Array.from({ length: CONCURRENCY }, (_, q) => slow(me, q));
    await reached(CONCURRENCY);
    const refused = await call(replica.mcp, "plain", {}, me);
    expect(refused.body.result._meta["edge-replica/error"]).toMatchObject({
      code: "too_many_calls",
      retryAfterMs: 1_000,
    });
    expect(codeOf(await modern(replica.mcp, "prompts/get", { name: "p" }, me))).toBe("too_many_calls");
    expect(codeOf(await call(replica.mcp, "kept", { q: "another" }, me))).toBe("too_many_calls");
    expect((await call(replica.mcp, "kept", { q: "warm" }, me)).cache?.status).toBe("hit");
    waiting.push(slow(other));
    await reached(CONCURRENCY + 1);
    for (const answer of held) answer();
    expect((await Promise.all(waiting)).map(said)).toEqual(Array(CONCURRENCY + 1).fill("at last"));
    // What was refused for want of a place has not been counted by the minute: this is the third.
    expect(codeOf(await call(replica.mcp, "plain", {}, me))).toBeUndefined();
  });

  test("a caller who leaves has its places again, and so has one whose origin fails", async () => {
    const me = stranger();
    const leave = [leaving("slow", { q: 1 }, me), leaving("slow", { q: 2 }, me)];
    await reached(2);
    for (const one of leave) one();
    await until(
      () => abandoned,
      (count) => count === 2,
    );
    origin.on("tools/call plain", (_, response) => response.destroy());
    expect(codeOf(await call(replica.mcp, "plain", {}, me))).toBe("origin_unavailable");
    const next = stranger();
    for (let nth = 0; nth < ORIGIN; nth++)
      expect(codeOf(await call(replica.mcp, "plain", {}, next))).toBe("origin_unavailable");
  });

  test("a stream has its place until it ends, whoever ends it", async () => {
    const me = stranger();
    const streams: ServerResponse[] = [];
    origin.on("tools/call slow", (_, response) => {
      response
        .writeHead(200, SSE_TYPE)
        .write(event({ method: "notifications/progress", params: { progressToken: 1, progress: 1 } }));
      streams.push(response);
    });
    const begun = (count: number) =>
      until(
        () => streams.length,
        (now) => now === count,
      );
    const patient = stranger();
    const answered = [slow(patient, 1), slow(patient, 2)];
    await begun(2);
    expect(codeOf(await call(replica.mcp, "plain", {}, patient))).toBe("too_many_calls");
    for (const stream of streams.splice(0)) stream.end();
    await Promise.all(answered);
    expect(codeOf(await call(replica.mcp, "plain", {}, patient))).toBeUndefined();
    const first = leaving("slow", { q: 1 }, me);
    await begun(1);
    const second = slow(me, 2);
    await begun(2);
    expect(codeOf(await call(replica.mcp, "plain", {}, me))).toBe("too_many_calls");
    const ended = left(streams[0]!);
    first();
    await ended;
    // The replica has let the origin go: its place is free before anybody could ask.
    expect(codeOf(await call(replica.mcp, "plain", {}, me))).toBeUndefined();
    streams[1]!.end();
    expect(codeOf(await second)).toBe("origin_unavailable");
  });

  test("calls under way on this machine are not counted", async () => {
    const waiting = Array.from({ length: CONCURRENCY + 3 }, (_, q) => slow({}, q));
    await reached(CONCURRENCY + 3);
    for (const answer of held) answer();
    expect((await Promise.all(waiting)).map(codeOf)).toEqual(fine(CONCURRENCY + 3));
  });
});

test("of the listeners that an isolate has, those of one address have a share", async () => {
  const [me, other] = [stranger(), stranger()];
  // Eight of them are as long as one listener's requests may be together.
  const uris = [`x://${"a".repeat(130_000)}`];
  const listen = (ask: Ask) => listening({ notifications: { resourceSubscriptions: uris } }, ask);
  const mine = await Promise.all(Array.from({ length: 8 }, () => listen(me)));
  expect(mine.map(({ code }) => code)).toEqual(fine(8));
  const [refused, theirs] = [await listen(me), await listen(other)];
  expect([refused.code, theirs.code]).toEqual(["too_many_streams", undefined]);
  for (const { leave } of [...mine, refused, theirs]) leave();
});

/** Begins to listen; resolves when the response has begun. */
function listening(
  params: Record<string, unknown>,
  ask: Ask,
): Promise<{ code: string | undefined; leave: () => void }> {
  const method = "subscriptions/listen";
  return new Promise((resolve) => {
    const headers = { ...modernHeaders(method), ...ask.headers } as Record<string, string>;
    const sent = request(replica.mcp, { method: "POST", agent: false, headers }, (response) => {
      const leave = () => void sent.socket?.resetAndDestroy();
      response.on("error", () => {});
      if (response.headers["content-type"] === "text/event-stream") return resolve({ code: undefined, leave });
      let text = "";
      response.on("data", (part) => (text += part));
      response.on("end", () => resolve({ code: codeOf({ body: JSON.parse(text) } as Got), leave }));
    });
    sent.on("error", () => {});
    sent.end(modernBody(method, params));
  });
}

/** Calls a tool; gives what leaves before the answer is there. */
function leaving(name: string, args: Record<string, unknown>, ask: Ask): () => void {
  const headers = { ...modernHeaders("tools/call", { name }), ...ask.headers } as Record<string, string>;
  const sent = request(replica.mcp, { method: "POST", agent: false, headers }, (response) => {
    response.on("error", () => {}).resume();
  });
  sent.on("error", () => {});
  sent.end(modernBody("tools/call", { name, arguments: args }));
  // A connection that is only half closed is none that was left.
  return () => void sent.socket?.resetAndDestroy();
}
