import { env } from "cloudflare:workers";
import { afterEach, expect, test, vi } from "vitest";
import { encodeEntry, hashOf } from "../../src/cache/codec.ts";
import { addressOf, digest } from "../../src/cache/key.ts";
import { resolve } from "../../src/config/resolve.ts";
import { createApp } from "../../src/http/app.ts";
import { Totals } from "../../src/sync/Totals.ts";
import type { ReplicaEvent } from "../../src/telemetry/events.ts";
import type { Delta } from "../../src/telemetry/Tally.ts";

afterEach(() => vi.restoreAllMocks());

const replica = resolve({
  origins: { o: { service: "S", sync: { pulse: "1m" }, tools: { t: { cache: { ttl: "1h", scope: "public" } } } } },
  access: { open: true },
});
const { settings } = replica.defaultOrigin!;

const down = async (): Promise<never> => {
  throw new Error("no such object");
};
const NEWS = { feedId: "f", seq: 0, floor: 0, hardFloor: 0, changes: [] };

/** An application whose objects are counted each time that somebody turns to one; what they say, `object` says. */
function setUp(object: object = {}) {
  const reports: ReplicaEvent[] = [];
  const background: Promise<unknown>[] = [];
  const calls: string[] = [];
  const fake = (name: string, object: object) => ({
    idFromName: String,
    get: () => {
      calls.push(name);
      return object;
    },
  });
  const app = createApp(replica, (event) => reports.push(event));
  const world = {
    KV: env.KV,
    ORIGIN_SYNC: fake("sync", { pulse: async () => NEWS, totals: down, ...object }),
    COALESCER: fake("coalescer", {}),
  } as unknown as Cloudflare.Env;
  const context = { waitUntil: (work: Promise<unknown>) => void background.push(work) } as unknown as ExecutionContext;
  const ask = (path: string, init?: RequestInit) =>
    app.fetch(new Request(`http://127.0.0.1${path}`, init), world, context);
  const call = () =>
    ask("/mcp", {
      method: "POST",
      headers: { "content-type": "application/json", accept: "application/json, text/event-stream" },
      body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "t" } }),
    });
  return { ask, call, calls, reports, background };
}

/** Puts an answer to `call` into KV, as another isolate would have. */
async function seed(): Promise<void> {
  const body = '"content":[]';
  const subject = {
    originId: "o",
    identity: settings.identity,
    method: "tools/call",
    target: "t",
    variant: undefined,
    capabilities: "{}",
  };
  const { text } = addressOf(subject, { scope: "public" })!;
  const entry = encodeEntry({
    storedAt: Date.now(),
    ttlMs: 3_600_000,
    staleWhileRevalidateMs: 0,
    staleIfErrorMs: 0,
    promisedMs: 0,
    scope: "public",
    tags: [],
    era: "legacy",
    savedAt: 0,
    hash: await hashOf(body, ""),
    contentEnd: 0,
    feedId: "f",
    seq: 0,
    body,
    meta: "",
  });
  await env.KV.put(`e1/o/tools/call/public/${await digest(text)}`, entry, { metadata: { tool: "t" } });
}

test("hits are counted without a call, a look into KV, or anything left to be done after the answer", async () => {
  await seed();
  const { call, calls, reports, background } = setUp();
  await call();
  await Promise.all(background);
  expect(calls).toEqual(["sync"]);
  const get = vi.spyOn(env.KV, "get");
  const before = background.length;
  for (let time = 0; time < 1_000; time++) await call();
  expect([calls.length, background.length - before, get.mock.calls.length]).toEqual([1, 0, 0]);
  expect(reports.filter((event) => event.type === "request" && event.result === "hit")).toHaveLength(1_001);
});

test("metrics are there where the object cannot be reached, and say so", async () => {
  await seed();
  const { ask, call, reports } = setUp({ pulse: down });
  await call();
  const response = await ask("/metrics");
  expect(response.status).toBe(200);
  const text = await response.text();
  expect(text).toContain('mcp_sync_up{origin="o"} 0\n');
  expect(text).toMatch(/^mcp_feed_lag_seconds\{origin="o"\} \d/m);
  expect(text).not.toContain("mcp_operations_total");
  const failed = { type: "sync-failed", operation: "totals", origin: "o", reason: "Error: no such object" };
  expect(reports).toContainEqual(failed);
});

test("what a scrape could not tell the object, the next one tells it, once", async () => {
  await seed();
  const asked: { tally?: Delta }[] = [];
  let isDown = true;
  const counted = { ...new Totals(undefined, 0).all };
  const { ask, call } = setUp({
    totals: async (request: object) => {
      asked.push(structuredClone(request));
      if (isDown) return down();
      return {
        counted,
        isolates: { count: 0, active: 0, lagMs: 0 },
        feed: { feedId: "f", seq: 0, tags: 0 },
        health: { state: "up", since: 1 },
      };
    },
  });
  await call();
  await ask("/metrics");
  isDown = false;
  await ask("/metrics");
  await ask("/metrics");
  const hits = asked.map(({ tally }) => tally && [tally.nth, tally.counted.operations[0]?.counts.hit]);
  expect(hits).toEqual([[1, 1], [1, 1], undefined]);
});

test("a scrape shows the origin's health where it is watched", async () => {
  const totals = { counted: new Totals(undefined, 0).all, isolates: { count: 0, active: 0, lagMs: 0 }, feed: {} };
  for (const [state, value] of [
    ["up", 1],
    ["down", 0],
  ] as const) {
    const { ask } = setUp({ totals: async () => ({ ...totals, health: { state, since: 1 } }) });
    expect(await (await ask("/metrics")).text()).toContain(`mcp_origin_health{origin="o"} ${value}\n`);
  }
});

test("status says that the object cannot be reached, and the rest", async () => {
  await seed();
  const response = await setUp().ask("/admin/status");
  const { origins } = (await response.json()) as any;
  expect(origins).toEqual({
    o: {
      eras: null,
      sync: { up: false, reason: "Error: no such object" },
      mirror: [],
      entries: { isWhole: true, total: 1, byMethod: { "tools/call": 1 }, byTool: { t: 1 } },
    },
  });
});
