import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { OriginConfig, ToolConfig } from "../../src/config/types.ts";
import { Fixture, type Handler, type Seen, text, tool } from "./support/fixture.ts";
import { Hearing } from "./support/Hearing.ts";
import { type Replica, seed, startReplica } from "./support/replica.ts";
import { openAt, post } from "./support/sessionsOf.ts";
import { makeStateful } from "./support/stateful.ts";
import { event } from "./support/scripted.ts";
import {
  call,
  codeOf,
  type Got,
  legacy,
  legacyCall,
  modern,
  modernBody,
  modernHeaders,
  type Params,
  said,
  send,
} from "./support/wire.ts";

const ORIGINS = ["o", "legacy", "sessions"] as const;
type Name = (typeof ORIGINS)[number];
const origins = { o: new Fixture(), legacy: new Fixture(), sessions: new Fixture() };
const origin = origins.o;
let replica: Replica;

const kept = { ttl: "10m", staleIfError: "1h", scope: "public" } as const;
const TOOLS: Record<string, ToolConfig> = {
  get: { cache: { ...kept, tags: ["item:{id}"] } },
  // Goes by the pulse, which does not come in these tests.
  seen: { cache: { ...kept, tags: ["item:{id}"] }, consistency: "bounded" },
  other: { cache: { ...kept, tags: ["thing:{id}"] }, consistency: "strict" },
  put: { write: { invalidates: ["item:{id}"] } },
  put_resource: { write: { invalidates: ["resource:x://{id}"] } },
  put_lists: { write: { invalidates: ["list:prompts"] } },
};
const MORE: Omit<OriginConfig, "url"> = {
  sync: { pulse: "1m" },
  lists: { defaultTtl: "10m" },
  timeout: { firstByte: "5s", total: "5s" },
  resources: { "x://*": { cache: kept }, "y://*": { cache: { scope: "public" } } },
};

/** What stands at each origin under an id; what was never written is 0. */
let items = new Map<string, number>();
const itemOf = ({ params }: { params: any }) => text(`${items.get(params.arguments.id) ?? 0}`);
const put = ({ params }: Pick<Seen, "params">) => {
  items.set(params.arguments.id, params.arguments.value);
  return text("done");
};

function setUp(): void {
  items = new Map();
  for (const [name, one] of Object.entries(origins)) {
    one.reset();
    if (name === "legacy") one.eras = "legacy";
    if (name === "sessions") makeStateful(one);
    one.tools = Object.keys(TOOLS).map((name) => tool(name));
    for (const reads of ["get", "seen"]) one.on(`tools/call ${reads}`, itemOf);
    one.on("tools/call put", put);
  }
}

beforeAll(async () => {
  await Promise.all(ORIGINS.map((name) => origins[name].start()));
  setUp();
  const origin = (name: Name) => ({ url: origins[name].url, tools: TOOLS, modernize: "always" as const, ...MORE });
  replica = await startReplica(
    { origins: { o: { ...origin("o"), default: true }, legacy: origin("legacy"), sessions: origin("sessions") } },
    { instances: 2 },
  );
});
beforeEach(setUp);
afterAll(async () => {
  await replica?.close();
  await Promise.all(ORIGINS.map((name) => origins[name].stop()));
});

const at = (instance: number, name: Name = "o") => `${replica.urls[instance]}/mcp/${name}`;
const statusOf = ({ cache }: Got) => cache?.status;
const STEP = { method: "notifications/progress", params: { progressToken: "p", progress: 1 } };
let ids = 0;
/** An id that nobody has used. */
const fresh = () => `${++ids}`;

/** Reads an item until both instances keep it. */
async function known(id: string, ask: (instance: number) => Promise<Got> = (i) => call(at(i), "get", { id })) {
  for (const instance of [0, 1]) await expect.poll(async () => statusOf(await ask(instance))).toBe("hit");
}

const both = async (ask: (instance: number) => Promise<Got>) => [await ask(0), await ask(1)].map(said);

describe("who reads anywhere after a write that has succeeded sees it, written by", () => {
  const sessionCall = async (name: string, args: Params) => {
    const { headers } = await openAt(at(0, "sessions"));
    return legacyCall(at(0, "sessions"), name, args, { headers });
  };
  test.each<[string, Name, (args: Params) => Promise<Got>]>([
    ["a modern caller", "o", (args) => call(at(0), "put", args)],
    ["a legacy caller", "o", (args) => legacyCall(at(0), "put", args)],
    ["a modern caller who asks for progress", "o", (args) => call(at(0), "put", args, { meta: { progressToken: 1 } })],
    [
      "a modern caller in words that are not recognised",
      "o",
      (args) => call(at(0), "put", args, { headers: { accept: "application/json" } }),
    ],
    ["a modern caller of a legacy origin", "legacy", (args) => call(at(0, "legacy"), "put", args)],
    ["a modern caller, in a session of several", "sessions", (args) => call(at(0, "sessions"), "put", args)],
    ["a legacy caller in a session", "sessions", (args) => sessionCall("put", args)],
    [
      "a batch",
      "o",
      (args) =>
        post(
          at(0),
          [1, 2].map((id) => ({ jsonrpc: "2.0", id, method: "tools/call", params: { name: "put", arguments: args } })),
        ),
    ],
  ])("%s", async (_, name, write) => {
    for (const sse of [false, true]) {
      const id = fresh();
      origins[name].sse = sse;
      await known(id, (instance) => call(at(instance, name), "get", { id }));
      expect((await write({ id, value: 1 })).text).toContain("done");
      expect(await both((instance) => call(at(instance, name), "get", { id }))).toEqual(["1", "1"]);
      expect((await write({ id, value: 2 })).text).toContain("done");
      expect(await both((instance) => call(at(1 - instance, name), "get", { id }))).toEqual(["2", "2"]);
      expect(statusOf(await call(at(1, name), "get", { id }))).toBe("hit");
    }
  });
});

test("a resource that a write names is read anew, by the tags that it has without saying so", async () => {
  // Longer than a tag of its own may be.
  for (const id of [fresh(), "long".repeat(90)]) {
    const read = (instance: number) => modern(at(instance), "resources/read", { uri: `x://${id}` });
    await known(id, read);
    await call(at(0), "put_resource", { id });
    for (const instance of [1, 0]) expect((await read(instance)).body.result.contents[0].text).toBe(`x://${id} 2`);
    expect(statusOf(await read(1))).toBe("hit");
  }
});

test("a list that a write names is asked for anew where it was written", async () => {
  origin.on("prompts/list", () => ({ result: { prompts: [], ttlMs: 600_000, cacheScope: "private" } }));
  const list = () => modern(at(0), "prompts/list");
  await expect.poll(async () => statusOf(await list())).toBe("hit");
  await call(at(0), "put_lists");
  expect(statusOf(await list())).toBe("miss");
});

test("what is strict is answered from the cache as long as nothing is against it, and callers may keep nothing of it", async () => {
  origin.on("resources/read", ({ name }) => ({
    result: { contents: [{ uri: name, text: "r" }], ttlMs: 600_000, cacheScope: "public" },
  }));
  const promised = async (uri: string) => {
    const got = [];
    for (let nth = 0; nth < 3; nth++) got.push((await modern(at(0), "resources/read", { uri })).body.result.ttlMs);
    return got;
  };
  const id = fresh();
  expect(await promised(`x://${id}`)).toEqual([0, 0, 0]);
  expect(origin.count("resources/read")).toBe(1);
  expect((await promised(`y://${id}`)).every((ms) => ms > 0)).toBe(true);
  // Nor of what only passes by.
  origin.on("resources/read", ({ name }) => ({
    sse: true,
    result: { contents: [{ uri: name, text: "r" }], ttlMs: 600_000, cacheScope: "private" },
  }));
  expect(await promised(`x://${fresh()}`)).toEqual([0, 0, 0]);
});

describe("while a write is under way", () => {
  /** Writes at once, and answers when it is let. */
  function slowly(id: string) {
    let answer!: () => void;
    const hold = new Promise<void>((resolve) => (answer = resolve));
    origin.on("tools/call put", (seen) => ({ ...put(seen), sse: [], hold }));
    const written = call(at(0), "put", { id, value: 1 });
    return { answer, written, reached: expect.poll(() => origin.count("tools/call", "put")).toBe(1) };
  }

  test("what it may change is asked for anew each time, and nothing else is", async () => {
    const id = fresh();
    const others = { id: fresh() };
    await known(id);
    await known(others.id);
    const { answer, written, reached } = slowly(id);
    await reached;
    for (const instance of [1, 0, 1]) {
      const got = await call(at(instance), "get", { id });
      expect([said(got), statusOf(got)]).toEqual(["1", "miss"]);
      expect(statusOf(await call(at(instance), "get", others))).toBe("hit");
    }
    // Who does not ask the feed sees what was.
    expect(said(await call(at(1), "seen", { id }))).toBe("1");
    answer();
    await written;
    expect(said(await call(at(1), "get", { id }))).toBe("1");
  });

  test("nobody is answered with what was asked for before it, however late that comes", async () => {
    const id = fresh();
    let land!: () => void;
    const landing = new Promise<void>((resolve) => (land = resolve));
    origin.on("tools/call get", (seen) => ({ ...itemOf(seen), ...(seen.nth === 1 && { sse: [], hold: landing }) }));
    const late = call(at(1), "get", { id });
    await expect.poll(() => origin.count("tools/call", "get")).toBe(1);
    const { answer, written, reached } = slowly(id);
    await reached;
    expect(said(await call(at(0), "get", { id }))).toBe("1");
    expect(said(await call(at(1), "get", { id }))).toBe("1");
    land();
    answer();
    await Promise.all([written, late]);
    expect(await both((instance) => call(at(instance), "get", { id }))).toEqual(["1", "1"]);
  });

  test("nothing old is given where the origin fails, and nothing at all from the cache alone", async () => {
    const id = fresh();
    await known(id);
    const { answer, written, reached } = slowly(id);
    await reached;
    origin.on("tools/call get", () => "reset");
    expect(codeOf(await call(at(1), "get", { id }))).toBe("origin_unavailable");
    const progress = { meta: { progressToken: 1 } };
    expect(codeOf(await call(at(1), "get", { id }, progress))).toBe("origin_unavailable");
    const cached = { headers: { "cache-control": "only-if-cached" } };
    expect(codeOf(await call(at(1), "get", { id }, cached))).toBe("not_cached");
    answer();
    await written;
  });

  test("its events come as they are sent, and its answer when the others see what it has changed", async () => {
    const id = fresh();
    await known(id);
    let answer!: () => void;
    const hold = new Promise<void>((resolve) => (answer = resolve));
    origin.on("tools/call put", () => ({ ...text("done"), sse: [STEP], hold }));
    const params = { name: "put", arguments: { id, value: 1 } };
    const body = modernBody("tools/call", params, { meta: { progressToken: "p" } });
    const hearing = await Hearing.open({ url: at(0), headers: modernHeaders("tools/call", params), body });
    await hearing.until("progress");
    items.set(id, 1);
    answer();
    await hearing.until("done");
    expect(said(await call(at(1), "get", { id }))).toBe("1");
    // It is over: what is kept counts again.
    expect(statusOf(await call(at(1), "get", { id }))).toBe("hit");
  });
});

describe("a write that has changed nothing makes nobody ask anew", () => {
  test.each<[string, Handler]>([
    ["a tool's failure", () => text("no", { isError: true })],
    ["a JSON-RPC error", () => ({ error: { code: -32602, message: "no" } })],
    ["the same in a stream", () => ({ sse: true, error: { code: -32602, message: "no" } })],
    ["an HTTP error", () => ({ status: 403, text: "no" })],
  ])("%s", async (_, handler) => {
    const id = fresh();
    await known(id);
    origin.on("tools/call put", handler);
    await call(at(0), "put", { id, value: 1 });
    for (const instance of [0, 1]) expect(statusOf(await call(at(instance), "get", { id }))).toBe("hit");
  });
});

describe("a write whose end is not known is waited for: until it lapses the origin is asked", () => {
  const unknown = async (id: string, ask = (instance: number) => call(at(instance), "get", { id })) => {
    for (const instance of [1, 0, 1]) expect(statusOf(await ask(instance))).toBe("miss");
  };
  test.each<[string, Handler]>([
    ["the connection broke", () => "reset"],
    ["the answer broke off", () => ({ ...text("done"), sse: true, breakOff: true })],
    ["a gateway failed", () => ({ status: 502, text: "bad gateway" })],
    ["a gateway failed in words", () => ({ status: 504, error: { code: -32000, message: "late" } })],
    ["it goes on as a task", () => ({ result: { resultType: "task", task: { taskId: "t" } } })],
  ])("%s", async (_, handler) => {
    const id = fresh();
    await known(id);
    origin.on("tools/call put", handler);
    await call(at(0), "put", { id, value: 1 });
    await unknown(id);
  });

  test("a notification, that nobody answers", async () => {
    const id = fresh();
    const { headers } = await openAt(at(0, "sessions"));
    const ask = (instance: number) => call(at(instance, "sessions"), "get", { id });
    await known(id, ask);
    origins.sessions.on("tools/call put", () => ({ status: 202, text: "" }));
    const params = { name: "put", arguments: { id, value: 1 } };
    const sent = await post(at(0, "sessions"), { jsonrpc: "2.0", method: "tools/call", params }, headers);
    expect(sent.status).toBe(202);
    await unknown(id, ask);
  });

  test("its caller has left", async () => {
    const id = fresh();
    await known(id);
    origin.on("tools/call put", () => ({ ...text("done"), sse: [STEP], hold: new Promise(() => {}) }));
    const params = { name: "put", arguments: { id, value: 1 } };
    const hearing = await Hearing.open({
      url: at(0),
      headers: modernHeaders("tools/call", params),
      body: modernBody("tools/call", params),
    });
    hearing.leave();
    await unknown(id);
  });
});

describe("a write whose answer cannot be read has succeeded", () => {
  test.each<[string, Handler]>([
    ["JSON that is too large", () => text("x".repeat(400_000))],
    ["no JSON", () => ({ text: "done" })],
    ["an event that is too large", () => ({ stream: (response) => response.end(event(`"${"x".repeat(5_000_000)}"`)) })],
  ])("%s", async (_, handler) => {
    const id = fresh();
    await known(id);
    origin.on("tools/call put", (seen) => {
      void put(seen);
      return handler(seen);
    });
    await call(at(0), "put", { id, value: 1 });
    expect(said(await call(at(1), "get", { id }))).toBe("1");
    expect(statusOf(await call(at(1), "get", { id }))).toBe("hit");
  });
});

describe("a write that two readers may understand differently", () => {
  const wording = (name: string, args: string) =>
    `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":${name},"arguments":${args}}}`;
  const headers = { "mcp-protocol-version": "2025-11-25" };

  test("is refused, where that is what it calls", async () => {
    for (const body of [wording('"get","name":"put"', '{"id":"1"}'), wording('["put"]', '{"id":"1"}')]) {
      const got = await post(at(0), body, headers);
      expect(["duplicate_keys", "params"]).toContain(codeOf(got));
    }
    expect(origin.count("tools/call")).toBe(0);
  });

  test("changes whatever it may, where that is a number", async () => {
    const id = fresh();
    for (const sse of [false, true]) {
      origin.sse = sse;
      await known(id);
      const got = await post(at(0), wording('"put"', `{"id":"${id}","value":0.1000000000000000055}`), headers);
      expect(said(got)).toBe("done");
      expect(said(await call(at(1), "get", { id }))).toBe("0.1");
      expect(statusOf(await call(at(1), "get", { id }))).toBe("hit");
      items.clear();
      await call(at(0), "put", { id, value: 0 });
    }
  });
});

describe("past its ttl, a strict answer stands in for an origin that fails", () => {
  const stale = (id: string, entry: object = {}) =>
    seed(replica, {
      target: "other",
      variant: { id },
      ageMs: 60_000,
      entry: { scope: "public", ttlMs: 1_000, staleIfErrorMs: 600_000, tags: [`thing:${id}`], ...entry },
    });

  test("where nothing is against it", async () => {
    const id = fresh();
    await stale(id);
    origin.on("tools/call other", () => "reset");
    const got = await call(at(1), "other", { id });
    expect([said(got), statusOf(got)]).toEqual(["old", "stale"]);
  });

  test("but not where it was invalidated, or may have been", async () => {
    origin.on("tools/call other", () => "reset");
    const id = fresh();
    await stale(id);
    await send(`${replica.url}/admin/purge`, { body: JSON.stringify({ origin: "o", tags: [`thing:${id}`] }) });
    expect(codeOf(await call(at(1), "other", { id }))).toBe("origin_unavailable");
    const lost = fresh();
    await stale(lost, { feedId: "lost" });
    expect(codeOf(await call(at(1), "other", { id: lost }))).toBe("origin_unavailable");
    const progress = { meta: { progressToken: 1 } };
    expect(codeOf(await call(at(1), "other", { id: lost }, progress))).toBe("origin_unavailable");
  });
});

describe("where the origin's OriginSync cannot be reached", () => {
  let failing: Replica;
  const at = (instance: number, name = "o") => `${failing.urls[instance]}/mcp/${name}`;
  /** Which of its methods fail, or wait as long as that is said. */
  const fail = (...methods: string[]) => failing.store.put("failing", methods.join(" ") || "none");

  beforeAll(async () => {
    const free = { put: TOOLS["put"]!, seen: TOOLS["seen"]! };
    const url = origin.url;
    failing = await startReplica(
      { origins: { o: { url, tools: TOOLS, default: true, ...MORE }, free: { url, tools: free, ...MORE } } },
      {
        instances: 2,
        rewrites: {
          "src/sync/OriginSync.ts": (source) =>
            source.replace(/async (pulse|announce|conclude)\(.*?\): Promise<\w+> \{/g, (method, name: string) => {
              const failing = `(await this.env.KV.get("failing"))?.split(" ")`;
              return `${method}
                if (${failing}.includes("${name}")) throw new Error("down");
                if (${failing}.includes("slow-${name}")) await this.env.KV.put("held", "${name}");
                while (${failing}.includes("slow-${name}")) await scheduler.wait(20);`;
            }),
        },
      },
    );
  });
  beforeEach(() => fail());
  afterAll(() => failing?.close());

  test("a write that strict callers count on is not sent", async () => {
    await fail("announce");
    const got = await call(at(0), "put", { id: fresh(), value: 1 });
    expect(codeOf(got)).toBe("sync_unavailable");
    expect(origin.count("tools/call", "put")).toBe(0);
  });

  test("another is", async () => {
    await fail("announce");
    const id = fresh();
    const ask = (instance: number) => call(at(instance, "free"), "seen", { id });
    await known(id, ask);
    expect(said(await call(at(0, "free"), "put", { id, value: 1 }))).toBe("done");
    // It is told of when it has succeeded.
    expect(said(await ask(0))).toBe("1");
  });

  test.each([false, true])(
    "a write is answered when it has taken in that it has succeeded (in a stream: %s)",
    async (sse) => {
      const id = fresh();
      await known(id, (instance) => call(at(instance), "get", { id }));
      await failing.store.delete("held");
      await fail("slow-conclude");
      origin.on("tools/call put", (seen) => ({ ...put(seen), ...(sse && { sse: [STEP] }) }));
      const params = { name: "put", arguments: { id, value: 1 } };
      let isAnswered = false;
      const request = {
        url: at(0),
        headers: modernHeaders("tools/call", params),
        body: modernBody("tools/call", params),
      };
      const opened = Hearing.open(request);
      const answered = opened.then((hearing) => hearing.until("done")).then(() => (isAnswered = true));
      // What comes before the answer is not held.
      if (sse) await (await opened).until("progress");
      await expect.poll(() => failing.store.get("held")).toBe("conclude");
      expect(isAnswered).toBe(false);
      expect(origin.count("tools/call", "put")).toBe(1);
      await fail();
      await answered;
      expect(said(await call(at(1), "get", { id }))).toBe("1");
    },
  );

  test("a write that has succeeded is answered, and those who are strict go on asking the origin", async () => {
    const id = fresh();
    const ask = (instance: number) => call(at(instance), "get", { id });
    await known(id, ask);
    await fail("conclude");
    expect(said(await call(at(0), "put", { id, value: 1 }))).toBe("done");
    for (const instance of [1, 0, 1]) {
      const got = await ask(instance);
      expect([said(got), statusOf(got)]).toEqual(["1", "miss"]);
    }
  });

  test("what is strict comes from the origin, or not at all; what is not comes from the cache", async () => {
    const id = fresh();
    const ask = (instance: number) => call(at(instance), "get", { id });
    await known(id, ask);
    await known(id, (instance) => call(at(instance), "seen", { id }));
    await fail("pulse");
    items.set(id, 1);
    for (const instance of [0, 1])
      expect([said(await ask(instance)), statusOf(await ask(instance))]).toEqual(["1", "miss"]);
    const cached = { headers: { "cache-control": "only-if-cached" } };
    expect(codeOf(await call(at(0), "get", { id }, cached))).toBe("not_cached");
    expect(statusOf(await call(at(0), "seen", { id }))).toBe("hit");
    origin.on("tools/call get", () => "reset");
    expect(codeOf(await ask(0))).toBe("consistency_unavailable");
    expect(codeOf(await call(at(1), "get", { id }, { meta: { progressToken: 1 } }))).toBe("consistency_unavailable");
    expect(codeOf(await legacy(at(0), "tools/call", { name: "get", arguments: { id } }))).toBe(
      "consistency_unavailable",
    );
  });
});
