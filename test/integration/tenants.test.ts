import { createHmac } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { ToolConfig } from "../../src/config/types.ts";
import { Fixture, type Seen, text, tool } from "./support/fixture.ts";
import { bearer, makeKey, PEPPER } from "./support/keys.ts";
import { makeStateful } from "./support/stateful.ts";
import { scrape, sumOf } from "./support/metrics.ts";
import { type Replica, startReplica } from "./support/replica.ts";
import {
  type Ask,
  call,
  codeOf,
  type Got,
  initialize,
  legacy,
  legacyCall,
  modern,
  modernBody,
  modernHeaders,
  said,
  send,
} from "./support/wire.ts";

// Ann and Al are of the tenant acme, Bo is of another, Cy is of none.

const origin = new Fixture();
const WEBHOOK = Buffer.from("a secret of the tests' webhook").toString("base64");
let replica: Replica;
let isReachable = true;
type Who = { headers: Record<string, string> };
let [ann, al, bo, cy]: Who[] = [];

const TOOLS: Record<string, ToolConfig> = {
  ours: { cache: { ttl: "10m", scope: "public", tags: ["thing"], staleIfError: "1h" } },
  own: { cache: { ttl: "10m" } },
  change: { write: { invalidates: ["thing"] } },
};

beforeAll(async () => {
  await origin.start();
  origin.tools = Object.keys(TOOLS).map((name) => tool(name));
  const o = {
    default: true,
    url: origin.url,
    tools: TOOLS,
    sync: { pulse: "1s", webhook: { secret: "HOOK" } },
    lists: { defaultTtl: "1h" },
  } as const;
  const vars = { KEY_PEPPER: PEPPER, HOOK: `whsec_${WEBHOOK}`, REPLICA_LOG: "json" };
  replica = await startReplica(
    { origins: { o, s: { url: origin.url } }, access: { keys: true } },
    { instances: 2, vars, reachable: () => isReachable },
  );
  const keyOf = async (tenant?: string) => bearer((await makeKey(replica, PEPPER, tenant ? { tenant } : {})).key);
  [ann, al, bo, cy] = await Promise.all([keyOf("acme"), keyOf("acme"), keyOf("globex"), keyOf()]);
});
beforeEach(() => origin.reset());
afterAll(async () => {
  await replica?.close();
  await origin.stop();
});

const [HERE, THERE] = [0, 1];
const mcp = (at = HERE) => `${replica.urls[at]}/mcp`;
let asked = 0;
/** Arguments that nobody has sent before. */
const fresh = () => ({ nth: ++asked });
const ask = (who: Who | undefined, args: object, { name = "ours", at = HERE } = {}, more: Ask = {}) =>
  call(mcp(at), name, { ...args }, { ...who, ...more });
const statusOf = ({ cache }: Got) => cache?.status;
const kept = async () => (await replica.store.list({ prefix: "e1/" })).keys.map(({ name }) => name);
const worldsIn = (names: string[]) => new Set(names.map((name) => name.split("/")[1]!));
const purge = (body: object, at = HERE) => send(`${replica.urls[at]}/admin/purge`, { body: JSON.stringify(body) });

/** A delivery of the origin's webhook, signed as its sender signs. */
const deliver = (id: string, body: object) => {
  const at = `${Math.floor(Date.now() / 1_000)}`;
  const sent = JSON.stringify(body);
  const signature = createHmac("sha256", Buffer.from(WEBHOOK, "base64")).update(`${id}.${at}.${sent}`).digest("base64");
  const headers = {
    "content-type": "application/json",
    "webhook-id": id,
    "webhook-timestamp": at,
    "webhook-signature": `v1,${signature}`,
  };
  return send(`${replica.url}/sync/o`, { headers, body: sent });
};

test("what is public to a tenant is no other's, in memory, in flight, in KV", async () => {
  const args = fresh();
  let open!: () => void;
  const hold = new Promise<void>((resolve) => (open = resolve));
  origin.on("tools/call ours", ({ nth }) => ({ ...text(`ours ${nth}`), hold }));
  const together = [ann, al, bo, cy].map((who) => ask(who, args));
  await expect.poll(() => origin.count("tools/call", "ours"), { timeout: 10_000 }).toBe(3);
  open();
  const [a, b, c, d] = (await Promise.all(together)).map(said);
  expect(a).toBe(b);
  expect(new Set([a, c, d]).size).toBe(3);
  for (const [who, words] of [
    [ann, a],
    [al, a],
    [bo, c],
    [cy, d],
  ] as const) {
    const again = await ask(who, args);
    expect([statusOf(again), said(again)]).toEqual(["hit", words]);
  }
  await expect.poll(async () => (await kept()).filter((name) => name.includes("/tools/call/public/"))).toHaveLength(3);
  // Elsewhere all of it comes from KV.
  const before = origin.count("tools/call");
  const there = await Promise.all([al, bo, cy].map((who) => ask(who, args, { at: THERE })));
  expect(there.map(said)).toEqual([a, c, d]);
  expect(origin.count("tools/call")).toBe(before);
});

test("names in KV do not tell a tenant, and what is a tenant's is not to be read there", async () => {
  await ask(ann, fresh());
  await ask(ann, fresh(), { name: "own" });
  await ask(cy, fresh());
  await expect.poll(async () => worldsIn(await kept()).size).toBeGreaterThan(1);
  const names = await kept();
  expect(names.join()).not.toMatch(/acme|globex/);
  for (const world of worldsIn(names)) expect(world).toMatch(/^o(@[0-9a-f]{32})?$/);
  for (const name of names) {
    const isReadable = (await replica.store.get(name))!.includes('"storedAt"');
    expect(isReadable, name).toBe(name.startsWith("e1/o/") && name.includes("/public/"));
  }
});

test("a value of one tenant, moved in KV to where another's stands, is a miss", async () => {
  const args = fresh();
  const callers = [ann, bo, cy];
  const before = new Set(await kept());
  for (const who of callers) for (const name of ["ours", "own"]) await ask(who, args, { name });
  const mine = async () => (await kept()).filter((name) => !before.has(name) && name.includes("/tools/call/"));
  await expect.poll(mine).toHaveLength(6);
  const names = await mine();
  const values = await Promise.all(names.map((name) => replica.store.get(name, "arrayBuffer")));
  for (const [at, name] of names.entries()) {
    await replica.store.put(name, new Uint8Array(values[(at + 1) % names.length]!));
  }
  // The Coalescer goes on sharing what it has just brought: with those whose it is.
  const answers = new Map<string, Who | undefined>();
  for (const who of callers) {
    for (const name of ["ours", "own"]) answers.set(said(await ask(who, args, { name })), who);
  }
  expect(answers.size).toBe(6);
  for (const who of callers) {
    for (const name of ["ours", "own"]) {
      const got = await ask(who, args, { name, at: THERE });
      expect([statusOf(got), answers.get(said(got)) ?? who]).toEqual(["miss", who]);
    }
  }
});

test("a write of one tenant makes its own answers stale, here and elsewhere, and no other's", async () => {
  const args = fresh();
  const first = await Promise.all([ann, bo, cy].map((who) => ask(who, args)));
  await ask(ann, {}, { name: "change" });
  const then = await Promise.all([ann, bo, cy].map((who) => ask(who, args)));
  expect(then.map(statusOf)).toEqual(["miss", "hit", "hit"]);
  expect(then.slice(1).map(said)).toEqual(first.slice(1).map(said));
  const there = await Promise.all([al, bo, cy].map((who) => ask(who, args, { at: THERE })));
  expect(said(there[0]!)).not.toBe(said(first[0]!));
  expect(there.slice(1).map(said)).toEqual(first.slice(1).map(said));
});

describe("what comes from outside concerns all tenants:", () => {
  const all = () => [ann, bo, cy];
  const filled = async () => {
    const args = fresh();
    await Promise.all(all().map((who) => ask(who, args)));
    expect((await Promise.all(all().map((who) => ask(who, args)))).map(statusOf)).toEqual(["hit", "hit", "hit"]);
    return args;
  };

  test("a purge", async () => {
    const args = await filled();
    // By an isolate that may know none of the tenants.
    const purged = await purge({ tags: ["thing"], hard: true }, THERE);
    expect([purged.status, purged.body]).toMatchObject([200, { origin: "o", tags: ["thing"] }]);
    for (const who of all()) {
      await expect.poll(async () => (await ask(who, args, { at: THERE })).cache?.ageMs).toBeLessThan(60_000);
      expect(said(await ask(who, args, { at: THERE }))).toBe(`ours ${origin.count("tools/call", "ours")}`);
    }
  });

  test("a delivery of the webhook, also where it comes again", async () => {
    const args = await filled();
    const told = [await deliver("d1", { tools: ["ours"] }), await deliver("d1", { tools: ["ours"] })];
    expect(told.map(({ status, body }) => [status, body.duplicate])).toEqual([
      [200, undefined],
      [200, true],
    ]);
    expect((await Promise.all(all().map((who) => ask(who, args)))).map(statusOf)).toEqual(["miss", "miss", "miss"]);
    // Done once: what was asked for since is sound.
    await deliver("d1", { tools: ["ours"] });
    expect((await Promise.all(all().map((who) => ask(who, args)))).map(statusOf)).toEqual(["hit", "hit", "hit"]);
  });

  test("and who could not tell them says so", async () => {
    isReachable = false;
    try {
      const purged = await purge({ tags: ["thing"] }, THERE);
      expect([purged.status, codeOf(purged)]).toEqual([503, "sync_unavailable"]);
    } finally {
      isReachable = true;
    }
  });
});

test("a session is of no use in another tenant's world, nor to another of its own", async () => {
  const result = {
    protocolVersion: "2025-11-25",
    capabilities: { tools: {} },
    serverInfo: { name: "f", version: "1" },
  };
  origin.on("initialize", ({ nth }) => ({ result, headers: { "mcp-session-id": `origins-${nth}` } }));
  const url = `${replica.url}/mcp/s`;
  const id = (await initialize(url, "2025-11-25", ann)).headers["mcp-session-id"]!;
  expect(id).toMatch(/^er1\./);
  const within = async (who: Who | undefined) =>
    (await legacyCall(url, "x", {}, { headers: { ...who?.headers, "mcp-session-id": id } })).status;
  expect(await Promise.all([ann, al, bo, cy].map(within))).toEqual([200, 404, 404, 404]);
  const reached = origin.seen.filter(({ method }) => method === "tools/call");
  expect(reached.map(({ headers }) => headers["mcp-session-id"])).toEqual(["origins-1"]);
});

test("lists, too, are a tenant's own", async () => {
  origin.on("tools/list", ({ nth }) => ({
    result: { tools: [tool(`edition ${nth}`)], ttlMs: 60_000, cacheScope: "public" },
  }));
  const listed = async (who: Who | undefined) => {
    const got = await modern(
      mcp(),
      "tools/list",
      {},
      { ...who, headers: { ...who?.headers, "cache-control": "no-cache" } },
    );
    return got.body.result.tools[0].name as string;
  };
  const names = [await listed(ann), await listed(bo), await listed(cy)];
  expect(new Set(names).size).toBe(3);
  const again = await Promise.all(
    [al, bo, cy].map(async (who) => (await modern(mcp(), "tools/list", {}, who)).body.result),
  );
  expect(again.map(({ tools }) => tools[0].name)).toEqual(names);
});

describe("what many get does not depend on what one sends beside it", () => {
  const everything = ({ headers, text }: Seen) => JSON.stringify([headers, text]);

  test.each([
    [
      "headers that servers make pages from",
      { "accept-language": "evil", "x-forwarded-host": "evil", cookie: "a=evil" },
    ],
    ["headers that say who or where one is", { "user-agent": "evil", "x-user": "evil", "cf-ipcountry": "evil" }],
    [
      "headers that rewrite the request",
      { "x-http-method-override": "evil", "x-original-url": "/evil", range: "evil" },
    ],
  ])("%s", async (_, headers) => {
    origin.on("tools/call ours", (seen) => text(everything(seen).includes("evil") ? "evil" : "good"));
    for (const ask of [call, legacyCall]) {
      const args = fresh();
      for (const meta of [{}, { progressToken: 1 }]) {
        await ask(mcp(), "ours", args, { headers: { ...ann!.headers, ...headers }, meta });
        expect(said(await ask(mcp(), "ours", args, al))).toBe("good");
      }
    }
  });

  test("_meta, whoever's, and declared capabilities", async () => {
    origin.on("tools/call ours", (seen) => text(everything(seen).includes("evil") ? "evil" : "good"));
    for (const meta of [
      { "acme/lang": "evil" },
      { "openai/locale": "evil" },
      { "claudecode/x": "evil" },
      { baggage: "evil" },
    ]) {
      const args = fresh();
      await ask(ann, args, {}, { meta });
      expect(said(await ask(al, args)), JSON.stringify(meta)).toBe("good");
    }
    const args = fresh();
    await ask(ann, args, {}, { capabilities: { experimental: { evil: {} } } });
    expect(said(await ask(al, args))).toBe("good");
  });
});

// Of each two, neither is the other: as JSON texts.
test.each([
  ["letters that look alike", '"\u00e9"', '"e\u0301"'],
  ["spaces of two kinds", '" "', '"\u00a0"'],
  ["case", '"A"', '"a"'],
  ["nothing, and a character that is not shown", '""', '"\\u0000"'],
  ["a number and its digits", "1", '"1"'],
  ["true and its word", "true", '"true"'],
  ["numbers that are next to each other", "1", "1.0000000000000002"],
  ["numbers that are one to many readers", "9007199254740992", "9007199254740993"],
  ["a list and what has its members", '["x"]', '{"0":"x"}'],
  ["null and nothing in it", "null", "{}"],
  ["an object and its prototype", '{"__proto__":{"a":1}}', '{"a":1}'],
  ["a prototype and none", '{"__proto__":{}}', "{}"],
  ["a constructor and none", '{"constructor":{"prototype":{"a":1}}}', "{}"],
  ["a path and its parts", '{"a.b":1}', '{"a":{"b":1}}'],
  ["a text and the JSON of it", '"{\\"a\\":1}"', '{"a":1}'],
  ["halves of a pair", '"\\ud800"', '"\\udc00"'],
])("arguments that are made to be taken for others are not: %s", async (what, ...values) => {
  origin.on("tools/call ours", (seen) => text(/"v":(.*?),"end"/.exec(seen.text)?.[1] ?? seen.text));
  const sent = async (who: Who | undefined, value: string) => {
    const params = { name: "ours" };
    const body = modernBody("tools/call", params).replace(
      '"name":"ours"',
      () => `"name":"ours","arguments":{"what":${JSON.stringify(what)},"v":${value},"end":1}`,
    );
    return said(await send(mcp(), { headers: { ...modernHeaders("tools/call", params), ...who?.headers }, body }));
  };
  const parsed = (json: string) => JSON.stringify(JSON.parse(json));
  for (const _ of [1, 2]) {
    // Each gets what the origin says to its own arguments, as it sent them or in the canonical spelling.
    for (const [at, who] of [ann, al].entries()) {
      const got = await sent(who, values[at]!);
      expect([values[at], parsed(values[at]!)]).toContain(got);
    }
  }
});

test("the tasks of all whom an origin takes for one are listed for nobody", async () => {
  origin.on("tasks/list", () => ({ result: { tasks: [{ taskId: "another's", status: "completed" }] } }));
  for (const who of [ann, cy]) {
    const got = await legacy(mcp(), "tasks/list", {}, who);
    expect([got.status, got.body.error?.data?.code]).toEqual([200, "denied"]);
    expect((await modern(mcp(), "tasks/list", {}, who)).body.error.data.code).toBe("denied");
  }
  expect(origin.count("tasks/list")).toBe(0);
  // In a session of its own the origin may know whose they are.
  makeStateful(origin);
  const { headers } = await initialize(`${replica.url}/mcp/s`, "2025-11-25", ann);
  const inSession = { ...ann!.headers, "mcp-session-id": headers["mcp-session-id"]! };
  const got = await legacy(`${replica.url}/mcp/s`, "tasks/list", {}, { headers: inSession });
  expect(got.body.result.tasks).toHaveLength(1);
});

test("logs and metrics name the origin, and count all tenants under it", async () => {
  const total = async () =>
    sumOf(await scrape(replica.url), "mcp_operations_total", { method: "tools/call", name: "ours" });
  const before = await total();
  const from = replica.lines.length;
  for (const who of [ann, bo, cy]) await ask(who, fresh());
  const metrics = await scrape(replica.url);
  expect((await total()) - before).toBe(3);
  for (const samples of metrics.values()) for (const { labels } of samples) expect(labels["origin"]).toMatch(/^[os]$/);
  const status = await send(`${replica.url}/admin/status`, { method: "GET" });
  expect(Object.keys(status.body.origins)).toEqual(["o", "s"]);
  expect(status.body.origins.o.entries.byTool.ours).toBeGreaterThan(3);
  const requests = replica.lines
    .slice(from)
    .map((line) => JSON.parse(line))
    .filter(({ type }) => type === "request");
  expect(requests.map(({ origin }) => origin)).toEqual(["o", "o", "o"]);
  expect(JSON.stringify([[...metrics], status.body, replica.lines])).not.toMatch(/acme|globex/);
});

test("that the origin is down is known to all tenants once it is known to one", async () => {
  for (const method of ["tools/call", "server/discover"]) origin.on(method, () => "reset");
  // More than have gone well lately.
  await Promise.all(Array.from({ length: 150 }, () => ask(ann, fresh())));
  const told = () => replica.lines.filter((line) => line.includes('"origin-health"')).map((line) => JSON.parse(line));
  await expect.poll(async () => (await ask(ann, fresh()), told())).toMatchObject([{ origin: "o", state: "down" }]);
  const before = origin.count("tools/call");
  expect(codeOf(await ask(bo, fresh()))).toBe("origin_unavailable");
  expect(origin.count("tools/call")).toBe(before);
  // The origin's own object hears of it by what is counted.
  const health = async () =>
    (await send(`${replica.url}/admin/status`, { method: "GET" })).body.origins.o.health.failed as number;
  await expect.poll(async () => (await ask(ann, fresh()), health()), { timeout: 15_000 }).toBeGreaterThan(4);
});
