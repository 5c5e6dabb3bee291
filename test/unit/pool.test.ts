import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, test } from "vitest";
import type { OriginSettings } from "../../src/config/replica.ts";
import { resolve } from "../../src/config/resolve.ts";
import { PUBLIC } from "../../src/cache/key.ts";
import type { Bindings } from "../../src/origin/callOrigin.ts";
import { SseReader } from "../../src/mcp/SseReader.ts";
import { land, type FillRequest } from "../../src/origin/land.ts";
import { PooledCall } from "../../src/origin/PooledCall.ts";
import type { PooledSession, PoolReply, PoolRequest } from "../../src/origin/PooledSession.ts";
import { resumed } from "../../src/origin/resumed.ts";
import { SessionPool } from "../../src/origin/SessionPool.ts";
import { SessionSource } from "../../src/origin/SessionSource.ts";

const origin: OriginSettings = {
  ...resolve({ origins: { o: { service: "ORIGIN" } } }).origins.get("o")!.settings,
  firstByteMs: 500,
  totalMs: 1_000,
};

interface Message {
  http: string;
  session: string | null;
  version: string | null;
  method: string | undefined;
  id: unknown;
  params: any;
}

/** An origin behind a service binding, that opens sessions. */
class FakeOrigin {
  seen: Message[] = [];
  live = new Set<string>();
  /** What calls get, instead of an empty result. */
  answer: ((message: Message) => Response | Promise<Response>) | undefined;
  opensSessions = true;
  #opened = 0;

  readonly bindings: Bindings = { ORIGIN: { fetch: (url: string, init: RequestInit) => this.#fetch(url, init) } };

  count(method: string): number {
    return this.seen.filter((one) => one.method === method).length;
  }

  async #fetch(_: string, { method: http = "POST", headers, body, signal }: RequestInit): Promise<Response> {
    const told = new Headers(headers);
    const { method, id, params } = typeof body === "string" ? JSON.parse(body) : ({ method: http } as any);
    const session = told.get("mcp-session-id");
    const message: Message = { http, session, version: told.get("mcp-protocol-version"), method, id, params };
    this.seen.push(message);
    // So that those who come at the same time do.
    await scheduler.wait(5);
    if (method === "initialize") {
      const result = { protocolVersion: "2025-06-18", capabilities: {}, serverInfo: { name: "fake", version: "1" } };
      const opened = `s${++this.#opened}`;
      if (this.opensSessions) this.live.add(opened);
      return Response.json(
        { jsonrpc: "2.0", id, result },
        { headers: this.opensSessions ? { "mcp-session-id": opened } : {} },
      );
    }
    if (this.opensSessions && !this.live.has(session!)) return new Response(null, { status: 404 });
    if (http === "DELETE") this.live.delete(session!);
    if (id === undefined) return new Response(null, { status: 202 });
    const answered = this.answer?.(message) ?? Response.json({ jsonrpc: "2.0", id, result: {} });
    const gone = new Promise<never>((_, reject) => {
      const leave = () => reject(new Error("aborted"));
      if (signal?.aborted) leave();
      else signal?.addEventListener("abort", leave);
    });
    return Promise.race([answered, gone]);
  }
}

let fake: FakeOrigin;
beforeEach(() => {
  fake = new FakeOrigin();
});

let objects = 0;
/** Runs with a pool in an object of its own, and a clock that the test moves. */
function inPool(work: (pool: SessionPool, clock: { now: number }, again: () => SessionPool) => Promise<void>) {
  const stub = env.ORIGIN_SYNC.get(env.ORIGIN_SYNC.idFromName(`pool ${++objects}`));
  return runInDurableObject(stub, async (_, { storage }) => {
    const clock = { now: Date.now() };
    const make = () => new SessionPool({ storage, arm: async () => {}, bindings: fake.bindings, now: () => clock.now });
    await work(make(), clock, make);
  });
}

const asked = (name: string, over?: PoolRequest["over"]): PoolRequest => ({ origin, name, ...(over && { over }) });
function found(reply: PoolReply): PooledSession {
  if (!("session" in reply)) throw new Error(JSON.stringify(reply));
  return reply.session;
}

describe("the pool", () => {
  test("opens one session for a principal, however many ask at once, in the replica's own name", () =>
    inPool(async (pool) => {
      const sessions = await Promise.all(Array.from({ length: 10 }, () => pool.find(asked("a"))));
      expect(new Set(sessions.map((one) => found(one).id))).toEqual(new Set(["s1"]));
      expect(found(await pool.find(asked("a")))).toMatchObject({ id: "s1", version: "2025-06-18" });
      expect(fake.seen.map(({ method }) => method)).toEqual(["initialize", "notifications/initialized"]);
      const [opening, initialized] = fake.seen;
      expect(opening!.params).toEqual({
        protocolVersion: "2025-11-25",
        capabilities: {},
        clientInfo: { name: "mcp-edge-replica", version: expect.any(String) },
      });
      expect([initialized!.session, initialized!.version]).toEqual(["s1", "2025-06-18"]);
    }));

  test("gives no two principals one session", () =>
    inPool(async (pool) => {
      const [a, b] = await Promise.all([pool.find(asked("a")), pool.find(asked("b"))]);
      expect(found(a).id).not.toBe(found(b).id);
    }));

  test("remembers beyond its own life", () =>
    inPool(async (pool, _, again) => {
      const session = found(await pool.find(asked("a")));
      expect(found(await again().find(asked("a")))).toEqual(session);
    }));

  test("opens one anew for all who found the last to be over, and not for who comes late with that", () =>
    inPool(async (pool) => {
      const { serial } = found(await pool.find(asked("a")));
      const over = { serial, isDoubtful: false };
      const anew = await Promise.all(Array.from({ length: 5 }, () => pool.find(asked("a", over))));
      expect(new Set(anew.map((one) => found(one).id))).toEqual(new Set(["s2"]));
      expect(found(await pool.find(asked("a", over))).id).toBe("s2");
      expect(fake.count("initialize")).toBe(2);
    }));

  test("asks a session whose end is doubtful whether it goes on", () =>
    inPool(async (pool) => {
      const { serial } = found(await pool.find(asked("a")));
      const over = { serial, isDoubtful: true };
      expect(found(await pool.find(asked("a", over))).id).toBe("s1");
      fake.live.clear();
      expect(found(await pool.find(asked("a", over))).id).toBe("s2");
      expect([fake.count("ping"), fake.count("initialize")]).toEqual([2, 2]);
    }));

  test("closes what is idle, and nothing that is in use", () =>
    inPool(async (pool, clock) => {
      await pool.find(asked("a"));
      await pool.find(asked("b"));
      clock.now += 290_000;
      await pool.find(asked("b"));
      await pool.run();
      expect(pool.dueAt()).toBeGreaterThan(clock.now);
      expect(fake.count("DELETE")).toBe(0);
      clock.now += 20_000;
      await pool.run();
      const next = pool.dueAt();
      expect(fake.seen.filter(({ http }) => http === "DELETE").map(({ session }) => session)).toEqual(["s1"]);
      expect([...fake.live]).toEqual(["s2"]);
      clock.now = next!;
      await pool.run();
      expect(pool.dueAt()).toBeUndefined();
      expect(fake.live.size).toBe(0);
      // Who comes back gets a new one.
      expect(found(await pool.find(asked("a"))).id).toBe("s3");
    }));

  test("keeps nothing of an origin that opens no sessions, nor of one that fails", () =>
    inPool(async (pool) => {
      fake.opensSessions = false;
      expect(await pool.find(asked("a"))).toMatchObject({ session: { version: "2025-06-18" } });
      await pool.run();
      expect(pool.dueAt()).toBeUndefined();
      const gone = { ...origin, endpoint: { service: "NOT_THERE" } };
      expect(await pool.find({ origin: gone, name: "b" })).toMatchObject({ failure: { kind: "misconfigured" } });
      await pool.run();
      expect(pool.dueAt()).toBeUndefined();
    }));

  test("is woken to close what is idle", async () => {
    const stub = env.ORIGIN_SYNC.get(env.ORIGIN_SYNC.idFromName("pool alarm"));
    const alarm = () => runInDurableObject(stub, (_, { storage }) => storage.getAlarm());
    await runInDurableObject(stub, async (_, { storage }) => {
      const pool = new SessionPool({
        storage,
        arm: () => storage.setAlarm(pool.dueAt()!),
        bindings: fake.bindings,
        now: Date.now,
      });
      await pool.find(asked("a"));
    });
    expect(await alarm()).toBeGreaterThan(Date.now() + 300_000);
    // Too early: there is nothing to close yet, and it will be looked at again.
    expect(await runDurableObjectAlarm(stub)).toBe(true);
    expect(await alarm()).toBeGreaterThan(Date.now() + 300_000);
    await runInDurableObject(stub, (_, { storage }) => {
      storage.sql.exec("UPDATE pooled_session SET closes_at = 0");
    });
    expect(await runDurableObjectAlarm(stub)).toBe(true);
    expect(await alarm()).toBeNull();
    const rows = await runInDurableObject(stub, (_, { storage }) =>
      storage.sql.exec("SELECT * FROM pooled_session").toArray(),
    );
    expect(rows).toEqual([]);
  });
});

describe("a place", () => {
  const session = (serial: string): PooledSession => ({ serial, id: `id of ${serial}`, version: "2025-11-25" });

  test("goes by what it remembers for half a minute, or until it is over", async () => {
    const source = new SessionSource();
    let asks = 0;
    const ask = async () => ({ session: session(String(++asks)) });
    const serial = async (now: number, over?: PoolRequest["over"], name = "a") =>
      found(await source.find(asked(name, over), ask, now)).serial;
    expect([await serial(0), await serial(29_999), await serial(30_000)]).toEqual(["1", "1", "2"]);
    expect(await serial(30_001, { serial: "2", isDoubtful: false })).toBe("3");
    // Found to be over by another, who has the next already.
    expect(await serial(30_002, { serial: "2", isDoubtful: false })).toBe("3");
    expect(await serial(30_002, undefined, "b")).toBe("4");
  });

  test("remembers no failure", async () => {
    const source = new SessionSource();
    const failed = async (): Promise<PoolReply> => ({ failure: { kind: "unreachable" } });
    expect(await source.find(asked("a"), failed, 0)).toHaveProperty("failure");
    expect(found(await source.find(asked("a"), async () => ({ session: session("1") }), 0)).serial).toBe("1");
  });
});

describe("a call in a pooled session", () => {
  const request = (id: unknown) => ({
    method: "POST",
    headers: { "mcp-protocol-version": "2025-11-25" },
    body: JSON.stringify({
      jsonrpc: "2.0",
      id,
      method: "tools/call",
      params: { name: "t", _meta: { progressToken: 1 } },
    }),
  });
  /** A pool that gives these, one after another, to who has found the one before to be over. */
  function poolOf(...ids: string[]) {
    const works: Promise<unknown>[] = [];
    const make = (isNewFrom = 1) =>
      new PooledCall({
        origin,
        bindings: fake.bindings,
        session: async (over) => {
          const at = over ? Math.min(ids.findIndex((id) => id === over.serial) + 1, ids.length - 1) : 0;
          const id = ids[at]!;
          return {
            session: { serial: id, id, version: "2025-06-18" },
            ...(at >= isNewFrom && { isNew: true as const }),
          };
        },
        caller: { id: 1, token: 1 },
        waitUntil: (work) => works.push(work),
      });
    return { make, settled: () => Promise.all(works) };
  }

  test("has names of its own, each time", async () => {
    fake.live.add("s");
    const { make } = poolOf("s");
    for (const call of [make(), make()]) {
      await call.send(request(1));
      call.end(true);
    }
    const [a, b] = fake.seen as [Message, Message];
    expect(a.id).not.toBe(b.id);
    for (const { id, params, session, version } of [a, b]) {
      expect(params._meta.progressToken).toBe(id);
      expect([session, version]).toEqual(["s", "2025-06-18"]);
    }
  });

  test("is sent again where the session is over, and that of the pool as well, but not beyond a new one", async () => {
    fake.live.add("new");
    const called = await poolOf("here", "pool", "new").make(2).send(request(1));
    expect("response" in called && called.response.status).toBe(200);
    expect(fake.seen.map(({ session }) => session)).toEqual(["here", "pool", "new"]);
    fake.live.clear();
    expect(await poolOf("here", "new", "newer").make().send(request(1))).toMatchObject({
      failure: { kind: "garbage" },
    });
    expect(fake.seen).toHaveLength(5);
  });

  test("that comes to an end without its answer is cancelled, once", async () => {
    fake.live.add("s");
    const { make, settled } = poolOf("s");
    for (const isAnswered of [true, false]) {
      const call = make();
      await call.send(request(1));
      call.end(isAnswered);
      call.end(false);
      await settled();
      const cancelled = fake.seen.filter(({ method }) => method === "notifications/cancelled");
      expect(cancelled.map(({ session, params }) => [session, params.requestId])).toEqual(
        isAnswered ? [] : [["s", call.names.id]],
      );
    }
  });

  test("is cancelled where it takes too long to begin, or its caller leaves before", async () => {
    fake.live.add("s");
    fake.answer = () => new Promise(() => {});
    const { make, settled } = poolOf("s");
    const patient = { ...request(1), abandoned: new AbortController().signal };
    for (const asked of [patient, { ...patient, abandoned: AbortSignal.timeout(50) }]) {
      expect(await make().send(asked)).toHaveProperty("failure");
      await settled();
      const { id } = fake.seen.findLast(({ method }) => method === "tools/call")!;
      expect(fake.seen.at(-1)).toMatchObject({ method: "notifications/cancelled", params: { requestId: id } });
    }
  });

  test("answers what the origin asks, so often and no more", async () => {
    fake.live.add("s");
    const { make, settled } = poolOf("s");
    const call = make();
    await call.send(request(1));
    const question = (id: number, method: string) => JSON.stringify({ jsonrpc: "2.0", id, method, params: {} });
    call.answer(question(1, "ping"));
    call.answer(question(2, "roots/list"));
    call.answer(JSON.stringify({ jsonrpc: "2.0", id: call.names.id, result: {} }));
    await settled();
    expect(call.declined).toEqual(["roots/list"]);
    expect(fake.seen.slice(1).map(({ id, method }) => [id, method])).toEqual([
      [1, undefined],
      [2, undefined],
    ]);
    for (let id = 3; id < 100; id++) call.answer(question(id, "sampling/createMessage"));
    await settled();
    expect(call.declined).toHaveLength(19);
    call.end(true);
  });
});

describe("a fill in a pooled session", () => {
  const { lists } = resolve({ origins: { o: { service: "ORIGIN", lists: { defaultTtl: "1m" } } } }).origins.get("o")!;
  const request: FillRequest = {
    origin,
    key: "k",
    addresses: { private: { text: "[]", originId: "o", method: "tools/list", target: null, partition: PUBLIC } },
    method: "tools/list",
    era: "legacy",
    hints: true,
    rule: lists,
    tags: [],
    isWrapped: false,
    isLegacyOnly: true,
    laterPage: false,
    headers: {},
    id: 1,
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/list", params: {} }),
    pool: "a",
    again: false,
  };
  const works: Promise<unknown>[] = [];
  const landed = async (abandoned?: AbortSignal, room = { left: 1_000_000 }) => {
    const landing = await land(request, {
      bindings: fake.bindings,
      now: Date.now,
      random: () => 0.5,
      ...(abandoned && { abandoned }),
      room,
      pool: async ({ name }) => ({ session: { serial: name, id: "s", version: "2025-06-18" } }),
      waitUntil: (work) => works.push(work),
    });
    await Promise.all(works);
    return landing;
  };
  const sse = (...messages: object[]) =>
    new Response(messages.map((one) => `data: ${JSON.stringify({ jsonrpc: "2.0", ...one })}\n\n`).join(""), {
      headers: { "content-type": "text/event-stream", "mcp-session-id": "s" },
    });
  beforeEach(() => {
    fake.live.add("s");
  });

  test("takes its own answer out of what comes, and keeps nothing of its names", async () => {
    fake.answer = ({ id }) => sse({ id: 1, result: { tools: [{ name: "another's" }] } }, { id, result: { tools: [] } });
    const landing = await landed();
    expect(landing).toMatchObject({ kind: "entry", entry: { body: '"tools":[]', scope: "private" } });
    const { id } = fake.seen[0]!;
    expect(id).toMatch(/^edge-replica-/);
    expect(JSON.stringify(landing)).not.toContain(id as string);
  });

  test("is nobody else's where the origin asked in vain on the way", async () => {
    fake.answer = ({ id }) => sse({ id: 5, method: "roots/list" }, { id, result: { tools: [] } });
    expect(await landed()).toMatchObject({ kind: "reply", why: "declined", declined: ["roots/list"] });
    expect(fake.seen.at(-1)).toMatchObject({ id: 5, session: "s" });
  });

  test("is cancelled when nobody waits any more", async () => {
    fake.answer = () => new Promise(() => {});
    expect(await landed(AbortSignal.timeout(50))).toMatchObject({ kind: "failed" });
    expect(fake.seen.at(-1)).toMatchObject({
      method: "notifications/cancelled",
      params: { requestId: fake.seen[0]!.id },
    });
  });

  test("holds of an event what there is room for, and gives the room back", async () => {
    const room = { left: 1_000 };
    const words = "x".repeat(2_000);
    const pieces = (id: unknown) =>
      ["data: ", words, JSON.stringify({ jsonrpc: "2.0", id, result: { tools: [] } }), "\n\n"].map((piece) =>
        new TextEncoder().encode(piece),
      );
    fake.answer = ({ id }) =>
      new Response(
        new ReadableStream({
          start(controller) {
            for (const piece of pieces(id)) controller.enqueue(piece);
            controller.close();
          },
        }),
        { headers: { "content-type": "text/event-stream" } },
      );
    expect([(await landed(undefined, room)).kind, room.left]).toEqual(["too-large", 1_000]);
    fake.answer = ({ id }) => sse({ id, result: { tools: [] } });
    expect([(await landed(undefined, room)).kind, room.left]).toEqual(["entry", 1_000]);
  });

  test("that breaks off is cancelled, and failed", async () => {
    fake.answer = () => sse({ method: "notifications/message", params: { level: "info", data: "" } });
    expect(await landed()).toMatchObject({ kind: "failed", failure: { kind: "unreachable" } });
    expect(fake.count("notifications/cancelled")).toBe(1);
  });
});

describe("a stream that is taken up again", () => {
  const streamOf = (text: string) =>
    new ReadableStream<Uint8Array>({
      start(controller) {
        controller.enqueue(new TextEncoder().encode(text));
        controller.close();
      },
    });
  const heardIn = async (first: string, more: (string | undefined)[] = []) => {
    const asked: string[] = [];
    const again = async (lastId: string) => {
      asked.push(lastId);
      const next = more.shift();
      return next === undefined ? undefined : streamOf(next);
    };
    const text = await new Response(resumed(streamOf(first), { isLast: (event) => event === "last", again })).text();
    return { heard: [...new SseReader().push(text)], asked };
  };
  const RETRY = "retry: 1\n\n";

  test("goes on after the last event that was whole, to the one that is waited for, and no further", async () => {
    const { heard, asked } = await heardIn(`${RETRY}id: 1\ndata: a\n\nid: 2\ndata: b`, [
      `${RETRY}id: 2\ndata: b\n\n`,
      "id: 3\ndata: last\n\n",
      "data: beyond\n\n",
    ]);
    expect([heard, asked]).toEqual([
      ["a", "b", "last"],
      ["1", "2"],
    ]);
  });

  test("ends where there are no ids, and where the rest is not to be had", async () => {
    expect(await heardIn("data: a\n\n", ["data: last\n\n"])).toEqual({ heard: ["a"], asked: [] });
    expect(await heardIn(`${RETRY}id: 1\ndata: a\n\n`)).toEqual({ heard: ["a"], asked: ["1"] });
  });

  test("is let go of where its reader has left, also one that was just being taken up", async () => {
    const asking = Promise.withResolvers<void>();
    const found = Promise.withResolvers<ReadableStream<Uint8Array>>();
    const again = () => {
      asking.resolve();
      return found.promise;
    };
    const stream = resumed(streamOf(`${RETRY}id: 1\ndata: a\n\n`), { isLast: () => false, again });
    const reader = stream.getReader();
    await reader.read();
    void reader.read();
    await asking.promise;
    await reader.cancel();
    const cancelled = Promise.withResolvers<void>();
    found.resolve(new ReadableStream({ cancel: () => cancelled.resolve() }));
    await cancelled.promise;
  });

  test("is not taken up for ever where nothing new comes, but is while ids do", async () => {
    const polled = (count: number, text: (nth: number) => string) =>
      Array.from({ length: count }, (_, nth) => text(nth));
    const vain = await heardIn(
      `${RETRY}id: 1\ndata: a\n\n`,
      polled(20, () => RETRY),
    );
    expect(vain.asked).toHaveLength(5);
    const primed = await heardIn(`${RETRY}id: 0\ndata:\n\n`, [
      ...polled(20, (nth) => `${RETRY}id: ${nth + 1}\ndata:\n\n`),
      "data: last\n\n",
    ]);
    expect([primed.heard, primed.asked.length]).toEqual([["last"], 21]);
  });
});
