import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Fixture, text, tool } from "./support/fixture.ts";
import { type Metrics, type Sample, scrape, sumOf } from "./support/metrics.ts";
import { type Replica, seed, startReplica, stored } from "./support/replica.ts";
import { BOTH_FORMS, call, codeOf, legacy, legacyCall, modern, send } from "./support/wire.ts";

const origin = new Fixture();
const kept = { cache: { ttl: "10m", staleWhileRevalidate: "1h" } } as const;
const config = (pulse: "1m" | "250ms") => ({
  origins: {
    o: {
      url: origin.url,
      sync: { pulse },
      lists: { defaultTtl: "10m" as const },
      tools: { kept, "get_*": kept },
      prompts: { "p_*": kept },
      resources: { "x://*": kept },
    },
  },
});
const annotations = { readOnlyHint: true };
let replica: Replica;

beforeAll(async () => {
  await origin.start();
  origin.tools = [tool("kept", { annotations }), tool("get_it", { annotations }), tool("other")];
  replica = await startReplica(config("1m"));
});
afterAll(async () => {
  await replica?.close();
  await origin.stop();
});

const statusOf = async ({ url }: Pick<Replica, "url">, query = "") =>
  (await send(`${url}/admin/status${query}`, { method: "GET" })).body.origins.o;
const operations = (metrics: Metrics, labels = {}) => sumOf(metrics, "mcp_operations_total", labels);
const namesIn = (metrics: Metrics) =>
  new Set(metrics.get("mcp_operations_total")!.map(({ labels }) => `${labels["method"]} ${labels["name"]}`));

describe("what real traffic adds up to", () => {
  let metrics: Metrics;
  let sent = 0;
  const ask = async (asking: Promise<unknown>) => {
    sent++;
    await asking;
  };

  beforeAll(async () => {
    const old = { ttlMs: 60_000, staleWhileRevalidateMs: 3_600_000 };
    await seed(replica, { target: "kept", variant: { old: 1 }, ageMs: 120_000, entry: old });
    await ask(modern(replica.mcp, "tools/list"));
    for (let time = 0; time < 5; time++) await ask(call(replica.mcp, "kept", { secret: "s3cret-argument" }));
    await ask(call(replica.mcp, "kept", { old: 1 }));
    await ask(call(replica.mcp, "get_it"));
    await ask(call(replica.mcp, "other"));
    await ask(legacyCall(replica.mcp, "other"));
    await ask(legacy(replica.mcp, "ping"));
    await ask(call(replica.mcp, "kept", { never: 1 }, { headers: { "cache-control": "only-if-cached" } }));
    await ask(modern(replica.mcp, "resources/read", { uri: "x://s3cret/7" }));
    await ask(modern(replica.mcp, "resources/read", { uri: "y://s3cret" }));
    await ask(modern(replica.mcp, "prompts/get", { name: "p_1" }));
    await ask(send(replica.mcp, { method: "GET" }));
    await ask(send(replica.mcp, { headers: { "content-type": "application/json" }, body: "{" }));
    metrics = await scrape(replica.url);
  });

  test("is shown by origin, method, name and how it was answered", () => {
    const tools = { origin: "o", method: "tools/call" };
    const by = (labels: object) => operations(metrics, { ...tools, ...labels });
    expect([by({ name: "kept", status: "miss" }), by({ name: "kept", status: "hit" })]).toEqual([1, 4]);
    expect([by({ name: "kept", status: "stale" }), by({ name: "kept", status: "error" })]).toEqual([1, 1]);
    expect([by({ name: "get_it", status: "miss" }), by({ name: "other", status: "relay" })]).toEqual([1, 2]);
    expect(operations(metrics, { method: "ping", name: "", status: "local" })).toBe(1);
    expect(operations(metrics, { method: "GET", status: "error" })).toBe(1);
    expect(operations(metrics)).toBe(sent);
  });

  test("is shown by what the cache had, which are the same operations", () => {
    const by = (result: string) => sumOf(metrics, "mcp_cache_requests_total", { origin: "o", result });
    for (const result of ["hit", "stale", "miss"]) expect(by(result)).toBe(operations(metrics, { status: result }));
    expect(by("bypass")).toBe(operations(metrics, { status: "relay" }));
  });

  test("is shown as histograms whose buckets are cumulative, and end with all", () => {
    const bound = ({ labels }: Sample) => (labels["le"] === "+Inf" ? Number.POSITIVE_INFINITY : Number(labels["le"]));
    for (const name of ["mcp_operation_duration_seconds", "mcp_cache_age_seconds"]) {
      for (const { labels, value } of metrics.get(`${name}_count`)!) {
        const own = metrics.get(`${name}_bucket`)!.filter((one) => one.labels["method"] === labels["method"]);
        const counts = own.toSorted((a, b) => bound(a) - bound(b)).map((one) => one.value);
        expect(counts).toEqual(counts.toSorted((a, b) => a - b));
        expect([counts.length, counts.at(-1)]).toEqual([name === "mcp_cache_age_seconds" ? 11 : 13, value]);
        expect(sumOf(metrics, `${name}_sum`, labels)).toBeGreaterThanOrEqual(0);
      }
    }
    expect(sumOf(metrics, "mcp_operation_duration_seconds_count")).toBe(sent);
    const cached = operations(metrics, { status: "hit" }) + operations(metrics, { status: "stale" });
    expect(sumOf(metrics, "mcp_cache_age_seconds_count")).toBe(cached);
    // The one old answer is in the bucket above two minutes, and the others are not.
    const within = (le: string) => sumOf(metrics, "mcp_cache_age_seconds_bucket", { le });
    expect(within("300") - within("60")).toBe(1);
    expect(sumOf(metrics, "mcp_cache_age_seconds_sum")).toBeGreaterThan(119);
  });

  test("names no URI that callers chose, but the operator's pattern, and no argument", async () => {
    const names = namesIn(metrics);
    expect(names).toContain("resources/read x://*");
    expect(names).toContain("resources/read other");
    expect(names).toContain("prompts/get p_*");
    const status = await send(`${replica.url}/admin/status`, { method: "GET" });
    const shown = (await send(`${replica.url}/metrics`, { method: "GET" })).text + status.text;
    expect(shown).toContain("mcp_operations_total");
    expect(shown).not.toContain("s3cret");
  });

  test("is told with that the object can be reached, and how the isolate keeps up", () => {
    expect(metrics.get("mcp_sync_up")).toMatchObject([{ labels: { origin: "o" }, value: 1 }]);
    expect(metrics.get("mcp_origin_health")).toMatchObject([{ labels: { origin: "o" }, value: 1 }]);
    expect(metrics.get("mcp_feed_lag_seconds")).toMatchObject([{ labels: { origin: "o" }, value: 0 }]);
    expect(metrics.get("mcp_operations_active")).toMatchObject([{ labels: { origin: "o" }, value: 0 }]);
  });

  test("is counted once, however often it is scraped", async () => {
    for (let time = 0; time < 3; time++) expect(await scrape(replica.url)).toEqual(metrics);
  });

  test("stands in status with entries, the hit ratio by tool and what was saved", async () => {
    await expect.poll(() => stored(replica, "tools/call")).toHaveLength(3);
    // Of those stored by an earlier version it is not known of which tool they are, until they are refreshed.
    const keptIn = async () => (await statusOf(replica)).entries.byTool;
    await expect.poll(keptIn).toEqual({ kept: 2, get_it: 1 });
    const status = await statusOf(replica, "?origin=o");
    const { operations: all, ...counted } = status.counted;
    const own = all.find(({ name }: { name: string }) => name === "kept");
    expect([own.total, own.hitRatio]).toEqual([7, 5 / 7]);
    // Four from memory, and the stale one.
    expect(counted).toEqual({ since: expect.any(Number), pulses: 1, callsSaved: 5, verified: [] });
    expect(Date.now() - status.refreshedAt).toBeLessThan(60_000);
    expect(status.entries).toMatchObject({ isWhole: true, byMethod: { "tools/call": 3, "tools/list": 1 } });
    expect(status.eras).toMatchObject({ modern: true });
    expect(status.sync).toEqual({ up: true });
    expect(status.feed).toEqual({ feedId: expect.any(String), seq: expect.any(Number), tags: 1 });
    expect(status.isolates).toEqual({ count: 1, active: 0, lagMs: 0 });
  });
});

test("who waited for another's call has saved one; who got an old answer after a call that failed has not", async () => {
  const saved = async () => (await statusOf(replica)).counted.callsSaved as number;
  const before = await saved();
  let land!: () => void;
  const landed = new Promise<void>((resolve) => (land = resolve));
  origin.on("tools/call get_it", () => ({ ...text("it"), sse: [], hold: landed }));
  const args = { at: "once" };
  const asked = origin.count("tools/call", "get_it");
  const first = call(replica.mcp, "get_it", args);
  await expect.poll(() => origin.count("tools/call", "get_it")).toBe(asked + 1);
  const others = [1, 2].map(() => call(replica.mcp, "get_it", args));
  // Those have begun to wait before the answer comes: the status is asked for after them, and answered before it.
  await saved();
  land();
  const outcomes = (await Promise.all([first, ...others])).map(({ headers }) => headers["cache-status"]);
  const collapsed = outcomes.filter((outcome) => outcome?.includes("collapsed")).length;
  expect(outcomes[0]).not.toContain("collapsed");
  expect(collapsed).toBeGreaterThan(0);
  const hits = outcomes.filter((outcome) => outcome?.includes("hit")).length;
  expect((await saved()) - before).toBe(collapsed + hits);

  await seed(replica, { target: "kept", variant: args, ageMs: 60_000, entry: { ttlMs: 1, staleIfErrorMs: 3_600_000 } });
  origin.on("tools/call kept", () => ({ status: 503, text: "" }));
  const after = await saved();
  expect((await call(replica.mcp, "kept", args)).cache?.status).toBe("stale");
  expect(await saved()).toBe(after);
  origin.reset();
});

test("the messages of a batch are counted one by one", async () => {
  const before = await scrape(replica.url);
  const message = (id: number, method: string, params: object) => ({ jsonrpc: "2.0", id, method, params });
  const hit = { name: "kept", arguments: { in: "batch" } };
  await legacyCall(replica.mcp, "kept", hit.arguments, { headers: { "mcp-protocol-version": "2025-03-26" } });
  const body = [message(1, "ping", {}), message(2, "tools/call", hit), message(3, "tools/call", hit)];
  await send(replica.mcp, {
    headers: { accept: BOTH_FORMS, "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  const after = await scrape(replica.url);
  const grown = (labels: object) => operations(after, labels) - operations(before, labels);
  expect([grown({ method: "ping" }), grown({ name: "kept", status: "hit" }), grown({})]).toEqual([1, 2, 4]);
});

test("names that callers make up make no series", async () => {
  const before = namesIn(await scrape(replica.url));
  const count = operations(await scrape(replica.url));
  const hostile = ['x"} 1\nmcp_forged{a="', "x\\", "x\ny", "__proto__", "constructor", "größe 😀", "y".repeat(5_000)];
  const names = [...hostile, ...Array.from({ length: 200 }, (_, nth) => `made up ${nth}`)];
  for (const name of names) await legacy(replica.mcp, "tools/call", { name });
  for (const name of hostile) {
    await legacy(replica.mcp, "prompts/get", { name });
    await legacy(replica.mcp, "resources/read", { uri: name });
    await legacy(replica.mcp, name);
  }
  const metrics = await scrape(replica.url);
  const added = [...namesIn(metrics)].filter((name) => !before.has(name));
  expect(new Set(added).difference(new Set(["tools/call other", "prompts/get other", "other "]))).toEqual(new Set());
  expect(operations(metrics) - count).toBe(names.length + 3 * hostile.length);
  expect([...metrics.keys()]).not.toContain("mcp_forged");
});

test("a tool whose name could break a line is shown under it", async () => {
  const name = 'say "hi" \\ to\nme';
  origin.tools = [...origin.tools, tool(name)];
  const other = await startReplica(config("1m"));
  try {
    await modern(other.mcp, "tools/list");
    await legacy(other.mcp, "tools/call", { name });
    const metrics = await scrape(other.url);
    expect(operations(metrics, { method: "tools/call", name })).toBe(1);
  } finally {
    await other.close();
  }
});

test("a thousand requests within a pulse are one call of the object", async () => {
  const other = await startReplica(config("1m"));
  try {
    await call(other.mcp, "kept");
    for (let round = 0; round < 50; round++) {
      await Promise.all(Array.from({ length: 20 }, () => call(other.mcp, "kept")));
    }
    const { counted } = await statusOf(other);
    expect(counted.pulses).toBe(1);
    const hits = operations(await scrape(other.url), { name: "kept", status: "hit" });
    expect(hits).toBe(1_000);
  } finally {
    await other.close();
  }
});

test("the isolates of several places are added up, and what goes on is counted while it does", async () => {
  const several = await startReplica(config("250ms"), { instances: 2 });
  try {
    const urls = several.urls.map((url) => `${url}/mcp`);
    let land!: () => void;
    const landed = new Promise<void>((resolve) => (land = resolve));
    origin.on("tools/call get_it", () => ({ ...text("it"), sse: [], hold: landed }));
    await Promise.all(urls.map((url) => call(url, "kept")));
    const held = call(urls[1]!, "get_it");
    // Each of these may bring a pulse.
    const shown = async () => {
      await Promise.all(urls.map((url) => legacy(url, "ping")));
      return scrape(several.url);
    };
    const active = async () => sumOf(await shown(), "mcp_operations_active");
    await expect.poll(active, { timeout: 5_000 }).toBe(1);
    land();
    await held;
    await expect.poll(active, { timeout: 5_000 }).toBe(0);
    await expect.poll(async () => operations(await shown(), { method: "tools/call" }), { timeout: 5_000 }).toBe(3);
    expect((await statusOf(several)).isolates).toMatchObject({ count: 2 });
  } finally {
    origin.reset();
    await several.close();
  }
});

test("where every call is relayed, what other places relay is counted too", async () => {
  const relaying = await startReplica({ ...config("250ms"), enabled: false }, { instances: 2 });
  try {
    const elsewhere = `${relaying.urls[1]!}/mcp`;
    // Each of these may bring a pulse.
    const shown = async () => {
      await legacy(elsewhere, "ping");
      return operations(await scrape(relaying.url), { name: "kept", status: "relay" });
    };
    await call(elsewhere, "kept");
    await expect.poll(shown, { timeout: 5_000 }).toBe(1);
    expect((await statusOf(relaying)).isolates).toMatchObject({ count: 1 });
  } finally {
    await relaying.close();
  }
});

test("counters do not go back when the replica is started anew", async () => {
  const state = await mkdtemp(path.join(tmpdir(), "metrics-state-"));
  const counters = (metrics: Metrics) =>
    ["mcp_operations_total", "mcp_cache_requests_total"].flatMap((name) =>
      metrics.get(name)!.map(({ labels, value }) => [JSON.stringify([name, labels]), value] as const),
    );
  try {
    let seen = new Map<string, number>();
    let since: number | undefined;
    for (let start = 0; start < 3; start++) {
      const one = await startReplica(config("250ms"), { state });
      try {
        const first = new Map(start === 0 ? [] : counters(await scrape(one.url)));
        for (const [series, value] of seen) expect(first.get(series), series).toBe(value);
        for (let time = 0; time < 4; time++) await call(one.mcp, "kept");
        seen = new Map(counters(await scrape(one.url)));
        const { counted } = await statusOf(one);
        expect(counted.since).toBe((since ??= counted.since));
      } finally {
        await one.close();
      }
    }
    expect(seen.get(JSON.stringify(["mcp_cache_requests_total", { origin: "o", result: "hit" }]))).toBeGreaterThan(8);
  } finally {
    await rm(state, { recursive: true });
  }
});

describe.each(["/metrics", "/admin/status"])("%s", (where) => {
  let guarded: Replica;
  const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
  const get = (headers = {}, url = guarded.url, method = "GET") => send(`${url}${where}`, { method, headers });

  beforeAll(async () => {
    const { url } = origin;
    guarded = await startReplica(
      { origins: { a: { url }, b: { url } }, hosts: ["replica.test"] },
      { vars: { ADMIN_TOKEN: "s3cret" } },
    );
  });
  afterAll(() => guarded?.close());

  test("shows all origins to who has the token, also off loopback, and nobody keeps it", async () => {
    for (const host of [{}, { host: "replica.test" }]) {
      const got = await get({ ...bearer("s3cret"), ...host });
      expect([got.status, got.headers["cache-control"]]).toEqual([200, "no-store"]);
      for (const id of ["a", "b"]) expect(got.text).toContain(`"${id}"`);
    }
  });

  test.each([
    ["without a token", {}, 401, "admin_unauthorized"],
    ["with another", bearer("s3creT"), 401, "admin_unauthorized"],
    ["at a name that is not served", { ...bearer("s3cret"), host: "evil.test" }, 403, "host_not_served"],
    ["from a page", { ...bearer("s3cret"), origin: "http://localhost:3000" }, 403, "origin_not_allowed"],
    ["in a page", { ...bearer("s3cret"), "sec-fetch-site": "cross-site" }, 403, "origin_not_allowed"],
  ])("is refused %s", async (_, headers, status, code) => {
    const got = await get(headers);
    expect([got.status, codeOf(got)]).toEqual([status, code]);
    expect(got.text).not.toContain("mcp_");
    // No page is let in by naming it.
    if (code === "origin_not_allowed") expect(got.text).not.toContain("hosts");
  });

  test("is refused off loopback where no token is configured, and there alone", async () => {
    expect((await get({}, replica.url)).status).toBe(200);
    const open = await startReplica({ origins: { a: { url: origin.url } }, hosts: ["replica.test"] });
    try {
      const got = await get({ host: "replica.test" }, open.url);
      expect([got.status, codeOf(got)]).toEqual([403, "admin_on_loopback_only"]);
    } finally {
      await open.close();
    }
  });

  test("is there to be read alone", async () => {
    const got = await get(bearer("s3cret"), guarded.url, "POST");
    expect([got.status, codeOf(got), got.headers["allow"]]).toEqual([405, "method_not_allowed", "GET"]);
  });
});

test("the status of one origin is that of no other, and of one that is not there it names those that are", async () => {
  const { url } = origin;
  const two = await startReplica({ origins: { a: { url }, b: { url } } });
  try {
    const one = await send(`${two.url}/admin/status?origin=b`, { method: "GET" });
    expect(Object.keys(one.body.origins)).toEqual(["b"]);
    const none = await send(`${two.url}/admin/status?origin=c`, { method: "GET" });
    expect([none.status, codeOf(none)]).toEqual([404, "unknown_origin"]);
    expect(none.text).toContain("a, b");
  } finally {
    await two.close();
  }
});
