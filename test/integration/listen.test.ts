import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { Fixture, tool } from "./support/fixture.ts";
import { bearer, makeKey, PEPPER } from "./support/keys.ts";
import { ACKNOWLEDGED, type Ear, listen, Mouths, silence, TAG } from "./support/listening.ts";
import { type Replica, startReplica } from "./support/replica.ts";
import { type Ask, codeOf, legacy, modern, modernBody, modernHeaders, send } from "./support/wire.ts";

const origin = new Fixture();
let replica: Replica;
let ann: { headers: Record<string, string> };
let bob: { headers: Record<string, string> };

beforeAll(async () => {
  await origin.start();
  replica = await startReplica(
    {
      origins: {
        o: {
          url: origin.url,
          lists: { defaultTtl: "10m" },
          resources: { "x://*": { cache: { ttl: "10m", staleIfError: "1h" } } },
          tools: { "read_*": { cache: { ttl: "10m" } } },
          auth: { bearer: { secret: "TOKEN" } },
        },
      },
      access: { open: true, keys: true },
    },
    { vars: { KEY_PEPPER: PEPPER, TOKEN: "the replica's own" } },
  );
  mcp = `${replica.url}/mcp/o`;
  [ann, bob] = (await Promise.all([1, 2].map(() => makeKey(replica)))).map(({ key }) => bearer(key)) as [
    typeof ann,
    typeof bob,
  ];
});
let mcp: string;
const open: Ear[] = [];
beforeEach(async () => {
  await silence();
  for (const ear of open.splice(0)) ear.leave();
  origin.reset();
  origin.tools = [tool("t")];
});
afterAll(async () => {
  for (const ear of open.splice(0)) ear.leave();
  await replica?.close();
  await origin.stop();
});

const hear = async (notifications: unknown, ask = {}) => {
  const ear = await listen(mcp, notifications, ask);
  open.push(ear);
  return ear;
};
const TEN_MINUTES = { ttlMs: 600_000, cacheScope: "public" };
const REFRESH: Ask = { headers: { "cache-control": "no-cache" } };
const refreshed = ({ headers }: Ask): Ask => ({ headers: { ...headers, ...REFRESH.headers } });
const REFUSAL = { status: 404, error: { code: -32601, message: "Method not found" } };
const TOOLS = "notifications/tools/list_changed";
const TASKS = "notifications/tasks";
/** What the replica sees to by itself, and something that only the origin knows of. */
const WITH_TASKS = { toolsListChanged: true, taskIds: ["a"] };
const PROMPTS = "notifications/prompts/list_changed";
const RESOURCES = "notifications/resources/list_changed";
const UPDATED = "notifications/resources/updated";

/** A listener, and the origin's end of it, both acknowledged. */
async function pair(notifications: unknown, ask: Ask = {}) {
  const mouths = new Mouths(origin);
  const ear = await hear(notifications, ask);
  const mouth = await mouths.opened(1);
  await ear.heard(1);
  return { ear, mouth, mouths };
}

let classes = 0;
/** Capabilities that nobody else declares: what is kept for them is of no other test. */
const unlikeOthers = (): Ask => ({ capabilities: { extensions: { [`com.example/test-${++classes}`]: {} } } });

describe("the stream", () => {
  test("begins with the acknowledgement, and tags everything with the caller's own id", async () => {
    const mouths = new Mouths(origin);
    for (const [index, id] of ["1", 1, 'a"b'].entries()) {
      const ear = await hear(WITH_TASKS, { id });
      const { headers, statusCode } = ear.response;
      expect([statusCode, headers["content-type"], headers["cache-control"], headers["x-accel-buffering"]]).toEqual([
        200,
        "text/event-stream",
        "no-store",
        "no",
      ]);
      const mouth = await mouths.opened(index + 1);
      await ear.heard(1);
      mouth.tell(TASKS);
      const [first, second] = await ear.heard(2);
      expect(first).toEqual({
        jsonrpc: "2.0",
        method: ACKNOWLEDGED,
        params: { _meta: { [TAG]: id }, notifications: WITH_TASKS },
      });
      expect(second).toEqual({ jsonrpc: "2.0", method: TASKS, params: { _meta: { [TAG]: id } } });
      ear.leave();
    }
  });

  test("waits a little for the origin's acknowledgement, and no longer", async () => {
    const mouths = new Mouths(origin, { silent: true });
    const ear = await hear({ toolsListChanged: true, resourceSubscriptions: ["x://1"], taskIds: ["t"] });
    const began = performance.now();
    const mouth = await mouths.opened(1);
    const [first] = await ear.heard(1);
    expect(performance.now() - began).toBeGreaterThan(1_500);
    expect(performance.now() - began).toBeLessThan(4_000);
    expect(first.params.notifications).toEqual({ toolsListChanged: true, resourceSubscriptions: ["x://1"] });
    mouth.acknowledge();
    mouth.tell(TASKS);
    expect((await ear.heard(2))[1].method).toBe(TASKS);
  });

  test("acknowledges what the replica sees to, what the origin does beyond that, and no more", async () => {
    const mouths = new Mouths(origin, { silent: true });
    const ear = await hear({ toolsListChanged: true, taskIds: ["a"], "com.example/more": true });
    (await mouths.opened(1)).acknowledge({ taskIds: ["a"], promptsListChanged: true });
    expect((await ear.heard(1))[0].params.notifications).toEqual(WITH_TASKS);
  });

  test("shows a sign of life every 15 seconds", async () => {
    const ear = await hear({ toolsListChanged: true });
    await ear.heard(1);
    const began = performance.now();
    await ear.until(() => ear.text.includes("\n\n:"));
    expect(performance.now() - began).toBeLessThan(15_000);
    expect(ear.messages).toHaveLength(1);
  });

  test("is asked for at the origin with the replica's credential, an id of its own and what only it knows of", async () => {
    const capabilities = { extensions: { "io.modelcontextprotocol/tasks": {} } };
    const filter = { toolsListChanged: true, taskIds: ["a"], "com.example/more": { deep: [1] } };
    const { mouth } = await pair(filter, { id: 7, capabilities, ...ann });
    const { headers, params, id } = mouth.seen;
    expect(headers.authorization).toBe("Bearer the replica's own");
    expect(headers["mcp-method"]).toBe("subscriptions/listen");
    const { toolsListChanged: _, ...rest } = filter;
    expect(params.notifications).toEqual(rest);
    expect(params._meta["io.modelcontextprotocol/clientCapabilities"]).toEqual(capabilities);
    expect(typeof id).toBe("string");
    expect(id).not.toBe((await pair(filter)).mouth.seen.id);
  });

  test("keeps the origin's order and words, but for the tag", async () => {
    const { ear, mouth } = await pair(WITH_TASKS);
    const tag = JSON.stringify(mouth.seen.id);
    mouth.write(
      `{"jsonrpc":"2.0","method":"notifications/tasks","params":{"n":1.0,\ndata: "_meta": {"${TAG}" : ${tag}, "k":1e2}}}`,
    );
    mouth.tell("notifications/example", { extra: true });
    mouth.write(`{"method":"${TASKS}","jsonrpc":"2.0"}`);
    await ear.heard(4);
    expect(ear.told()).toEqual([ACKNOWLEDGED, TASKS, "notifications/example", TASKS]);
    expect(ear.text.replaceAll("\ndata: ", "\n")).toContain(
      `{"jsonrpc":"2.0","method":"notifications/tasks","params":{"n":1.0,\n"_meta": {"${TAG}":"caller", "k":1e2}}}`,
    );
    expect(ear.messages.every(({ params }) => params._meta[TAG] === "caller")).toBe(true);
    expect(ear.text).not.toContain(tag);
  });

  test("carries nothing that was not asked for", async () => {
    const { ear, mouth } = await pair({ ...WITH_TASKS, promptsListChanged: false, resourceSubscriptions: ["x://1"] });
    for (const method of [PROMPTS, RESOURCES, "notifications/message"]) mouth.tell(method);
    mouth.tell("notifications/progress", { progressToken: 1, progress: 1 });
    mouth.tell(UPDATED, { uri: "x://2" });
    mouth.acknowledge();
    mouth.write("no JSON");
    mouth.write(JSON.stringify({ jsonrpc: "2.0", id: "other", result: {} }));
    mouth.write(JSON.stringify({ jsonrpc: "2.0", id: 1, method: TASKS }));
    mouth.tell(TASKS);
    await ear.heard(2);
    expect(ear.told()).toEqual([ACKNOWLEDGED, TASKS]);
  });

  test("ends in good order when the origin ends it so", async () => {
    const { ear, mouth } = await pair(WITH_TASKS, { id: 5 });
    mouth.end();
    expect(await ear.over()).toBe("end");
    expect(ear.messages.at(-1)).toEqual({
      jsonrpc: "2.0",
      id: 5,
      result: { resultType: "complete", _meta: { [TAG]: 5 } },
    });
    expect(origin.count("subscriptions/listen")).toBe(1);
  });

  test("ends at the origin when the caller leaves", async () => {
    const { ear, mouth } = await pair(WITH_TASKS);
    ear.leave();
    // The runtime learns of it by the next sign of life.
    await expect.poll(() => mouth.isClosed, { timeout: 8_000 }).toBe(true);
    expect(origin.count("subscriptions/listen")).toBe(1);
  });

  test("ends a call that the origin has not answered yet, too", async () => {
    let gone = () => {};
    const closed = new Promise<void>((resolve) => (gone = resolve));
    origin.on("subscriptions/listen", () => ({ stream: (response) => void response.once("close", gone) }));
    const ear = await hear(WITH_TASKS);
    await expect.poll(() => origin.count("subscriptions/listen")).toBe(1);
    await ear.heard(1);
    ear.leave();
    await closed;
  });

  test("stays open when the origin's breaks, and takes up what the origin tells later", async () => {
    const { ear, mouth, mouths } = await pair(WITH_TASKS);
    mouth.breakOff();
    const second = await mouths.opened(2);
    expect(second.seen.id).not.toBe(mouth.seen.id);
    second.tell(TASKS);
    await ear.heard(2);
    expect(ear.told()).toEqual([ACKNOWLEDGED, TASKS]);
  });

  test("takes a message that is too large for a break", async () => {
    const { ear, mouth, mouths } = await pair(WITH_TASKS);
    mouth.tell(TASKS, { much: "x".repeat(1_100_000) });
    (await mouths.opened(2)).tell(TASKS);
    await ear.heard(2);
    await mouth.closed;
    expect(ear.text.length).toBeLessThan(10_000);
  });

  test("opens although the origin is down, and reaches it when it is back", async () => {
    await origin.stop();
    const ear = await hear({ toolsListChanged: true, resourceSubscriptions: ["x://1"], taskIds: ["a"] });
    const [first] = await ear.heard(1).finally(() => origin.start());
    expect(first.params.notifications).toEqual({ toolsListChanged: true, resourceSubscriptions: ["x://1"] });
    (await new Mouths(origin).opened(1)).tell(TASKS);
    expect((await ear.heard(2))[1].method).toBe(TASKS);
  });

  test.each([
    ["has no such method", REFUSAL],
    ["says so in band", { error: { code: -32601, message: "Method not found" } }],
    ["refuses the replica", { status: 403, text: "" }],
    ["has another era", { status: 400, error: { code: -32000, message: "Bad Request" } }],
    ["answers something else", { text: "<html>" }],
  ])("is served from the replica's own changes where the origin %s", async (_, reply) => {
    origin.on("subscriptions/listen", () => reply);
    await modern(mcp, "tools/list", {}, REFRESH);
    const ear = await hear({ toolsListChanged: true, taskIds: ["a"] });
    expect((await ear.heard(1))[0].params.notifications).toEqual({ toolsListChanged: true });
    origin.tools = [tool("t"), tool(`u${performance.now()}`)];
    await modern(mcp, "tools/list", {}, REFRESH);
    expect((await ear.heard(2))[1]).toEqual({ jsonrpc: "2.0", method: TOOLS, params: { _meta: { [TAG]: "caller" } } });
    expect(origin.count("subscriptions/listen")).toBe(1);
  });

  test("ends where the origin refuses, and nothing is left to tell", async () => {
    origin.on("subscriptions/listen", () => REFUSAL);
    const ear = await hear({ taskIds: ["a"] });
    expect(await ear.over()).toBe("end");
    expect(ear.messages.map(({ params, result }) => params?.notifications ?? result.resultType)).toEqual([
      {},
      "complete",
    ]);
  });

  test("ends where the origin no longer delivers what it has acknowledged", async () => {
    const { ear, mouth } = await pair({ toolsListChanged: true, taskIds: ["a"] });
    origin.on("subscriptions/listen", () => REFUSAL);
    mouth.breakOff();
    expect(await ear.over()).toBe("end");
    expect(ear.messages.at(-1).result.resultType).toBe("complete");
  });

  test("does not go to the origin for a caller who forbids it", async () => {
    const ear = await hear(WITH_TASKS, { headers: { "cache-control": "only-if-cached" } });
    await ear.heard(1);
    expect(origin.count("subscriptions/listen")).toBe(0);
  });
});

describe("what the replica sees change is told", () => {
  const list = (name: string, more = {}) => ({
    result: { tools: [tool(name)], ttlMs: 0, cacheScope: "private", ...more },
  });
  const read = (text: string, hints: object) => ({ result: { contents: [{ uri: "x://own", text }], ...hints } });
  const PRIVATE = { ttlMs: 600_000, cacheScope: "private" };
  const uri = "x://own";
  beforeEach(() => origin.on("subscriptions/listen", () => REFUSAL));

  test("once, and only if the content is another", async () => {
    const own = { ...unlikeOthers(), ...REFRESH };
    origin.on("tools/list", () => list("one"));
    await modern(mcp, "tools/list", {}, own);
    const ear = await hear({ toolsListChanged: true, promptsListChanged: true });
    await ear.heard(1);
    for (const more of [{}, { nextCursor: "new" }, { nextCursor: "newer", _meta: { at: 2 } }]) {
      origin.on("tools/list", () => list("one", more));
      await modern(mcp, "tools/list", {}, own);
    }
    const prompts = (name: string) =>
      origin.on("prompts/list", () => ({ result: { prompts: [{ name }], ttlMs: 0, cacheScope: "private" } }));
    prompts("first");
    await modern(mcp, "prompts/list", {}, own);
    prompts("second");
    await modern(mcp, "prompts/list", {}, own);
    await ear.heard(2);
    origin.on("tools/list", () => list("two"));
    await modern(mcp, "tools/list", {}, own);
    await ear.heard(3);
    expect(ear.told()).toEqual([ACKNOWLEDGED, PROMPTS, TOOLS]);
  });

  test("of a resource, to those who named it", async () => {
    origin.on(`resources/read ${uri}`, () => read("one", PRIVATE));
    await modern(mcp, "resources/read", { uri }, REFRESH);
    const ear = await hear({ resourceSubscriptions: [uri] });
    const other = await hear({
      resourceSubscriptions: ["x://ow", "x://own/below", "x://last"],
      resourcesListChanged: true,
    });
    await Promise.all([ear.heard(1), other.heard(1)]);
    origin.on(`resources/read ${uri}`, () => read("two", PRIVATE));
    await modern(mcp, "resources/read", { uri }, REFRESH);
    await ear.heard(2);
    expect(ear.messages[1]).toEqual({ jsonrpc: "2.0", method: UPDATED, params: { uri, _meta: { [TAG]: "caller" } } });
    await modern(mcp, "resources/read", { uri: "x://last" }, REFRESH);
    await modern(mcp, "resources/read", { uri: "x://last" }, REFRESH);
    await other.heard(2);
    expect(other.told()).toEqual([ACKNOWLEDGED, "x://last"]);
  });

  test("of what is private to its principal only, of what is public to all", async () => {
    origin.on(`resources/read ${uri}`, ({ nth }) => read(`${nth}`, PRIVATE));
    await modern(mcp, "resources/read", { uri }, refreshed(ann));
    const filter = { resourceSubscriptions: [uri], toolsListChanged: true };
    origin.on("tools/list", () => list("public one", TEN_MINUTES));
    const ears = await Promise.all([hear(filter, ann), hear(filter, bob), hear(filter)]);
    await Promise.all(ears.map((ear) => ear.heard(1)));
    await modern(mcp, "resources/read", { uri }, refreshed(ann));
    await ears[0]!.heard(2);
    // The list comes after it, and is told to everybody.
    await modern(mcp, "tools/list", {}, refreshed(ann));
    origin.on("tools/list", () => list("public two", TEN_MINUTES));
    await modern(mcp, "tools/list", {}, refreshed(ann));
    await Promise.all(ears.map((ear) => ear.until(() => ear.told().includes(TOOLS))));
    expect(ears.map((ear) => ear.told().slice(1))).toEqual([[uri, TOOLS], [TOOLS], [TOOLS]]);
  });
});

describe("requests that are turned away", () => {
  const ask = (body: string, headers = {}) =>
    send(mcp, { headers: { ...modernHeaders("subscriptions/listen"), ...headers }, body });

  test.each([
    ["no filter", {}, /notifications must be an object/],
    ["a list for a filter", { notifications: [] }, /must be an object/],
    ["a flag that is none", { notifications: { toolsListChanged: "yes" } }, /toolsListChanged must be a boolean/],
    ["uris that are none", { notifications: { resourceSubscriptions: [1] } }, /must be an array of strings/],
    [
      "too many uris",
      { notifications: { resourceSubscriptions: Array.from({ length: 1_001 }, (_, n) => `x://${n}`) } },
      /1001 URIs; at most 1000/,
    ],
    [
      "long ones",
      {
        notifications: {
          resourceSubscriptions: Array.from({ length: 100 }, (_, n) => `x://${n}/${"x".repeat(2_000)}`),
        },
      },
      /longer than the 131072 characters/,
    ],
    [
      "much that only the origin knows of",
      { notifications: { taskIds: ["x".repeat(200_000)] } },
      /longer than the 131072 characters/,
    ],
  ])("%s", async (_, params, words) => {
    const got = await ask(modernBody("subscriptions/listen", params, { id: 9 }));
    expect([got.status, got.body.id, got.body.error.code]).toEqual([200, 9, -32602]);
    expect(got.body.error.message).toMatch(words);
    expect(origin.count("subscriptions/listen")).toBe(0);
  });

  test("a version that is not spoken, a header that differs, an envelope that lacks something", async () => {
    const good = modernBody("subscriptions/listen", { notifications: {} });
    const old = await ask(good.replace("2026-07-28", "2099-01-01"), { "mcp-protocol-version": "2099-01-01" });
    expect([old.status, old.body.error.code]).toEqual([400, -32022]);
    const other = await ask(good, { "mcp-method": "tools/list" });
    expect([other.status, other.body.error.code]).toEqual([400, -32020]);
    const bare = await ask(good.replace("clientCapabilities", "clientCapacities"));
    expect([bare.status, bare.body.error.code]).toEqual([400, -32602]);
    expect(origin.count("subscriptions/listen")).toBe(0);
  });

  test("whoever has no key", async () => {
    const got = await ask(modernBody("subscriptions/listen", { notifications: {} }), { authorization: "Bearer no" });
    expect(got.status).toBe(401);
  });
});

test("what is not of the modern revision is the origin's", async () => {
  await legacy(mcp, "subscriptions/listen", { notifications: { toolsListChanged: true } }, { id: 3 });
  expect(origin.last("subscriptions/listen").id).toBe(3);
});

describe("bounds and switches", () => {
  test("while the replica is switched off, the origin's stream is passed through as it is", async () => {
    const off = await startReplica({ origins: { o: { url: origin.url } } }, { vars: { REPLICA_CACHE: "off" } });
    try {
      const mouths = new Mouths(origin);
      const ear = await listen(off.mcp, { toolsListChanged: true }, { id: "raw" });
      const mouth = await mouths.opened(1);
      expect(mouth.seen.id).toBe("raw");
      mouth.tell(PROMPTS);
      await ear.heard(2);
      expect(ear.told()).toEqual([ACKNOWLEDGED, PROMPTS]);
      ear.leave();
    } finally {
      await off.close();
    }
  });

  test("an isolate serves so many listeners, and has room again when some have left", async () => {
    const full = await startReplica({ origins: { o: { url: origin.url } } });
    origin.on("subscriptions/listen", () => REFUSAL);
    const ears: Ear[] = [];
    try {
      while (ears.length < 1_000) {
        const more = await Promise.all(Array.from({ length: 50 }, () => listen(full.mcp, { toolsListChanged: true })));
        await Promise.all(more.map((ear) => ear.heard(1)));
        ears.push(...more);
      }
      const one = () => modern(full.mcp, "subscriptions/listen", { notifications: { toolsListChanged: true } });
      const got = await one();
      expect([got.status, got.body.error.code, codeOf(got)]).toEqual([200, -31000, "too_many_streams"]);
      expect(got.body.error.data.retryAfterMs).toBe(10_000);
      ears.pop()!.leave();
      await expect
        .poll(
          async () => {
            const ear = await listen(full.mcp, { toolsListChanged: true });
            if (ear.response.headers["content-type"] !== "text/event-stream") return false;
            ears.push(ear);
            return true;
          },
          { timeout: 8_000 },
        )
        .toBe(true);
    } finally {
      for (const ear of ears) ear.leave();
      await full.close();
    }
  });
});
