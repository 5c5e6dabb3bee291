import { afterAll, beforeAll, expect, test } from "vitest";
import { Fixture, tool } from "./support/fixture.ts";
import { type Replica, startReplica } from "./support/replica.ts";
import { call, type Got, initialize, modern, MODERN, said } from "./support/wire.ts";

const origin = new Fixture();
let replica: Replica;
let isReachable = true;

beforeAll(async () => {
  await origin.start();
  origin.tools = [tool("t"), tool("u")];
  const cache = { ttl: "10m", staleIfError: "1h", scope: "public" } as const;
  replica = await startReplica(
    {
      origins: {
        o: {
          url: origin.url,
          sync: { pulse: "250ms" },
          lists: { defaultTtl: "10m" },
          tools: { t: { cache }, u: { cache: { ...cache, ttl: "0s" } } },
        },
      },
    },
    { instances: 2, reachable: () => isReachable },
  );
});
afterAll(async () => {
  await replica?.close();
  await origin.stop();
});

const ask = (instance: number, name = "t") => call(`${replica.urls[instance]}/mcp`, name);
const scrape = async () => (await fetch(`${replica.url}/metrics`)).text();
/** What an answer says of itself: in its headers, and in its `_meta`. */
const saysDetached = ({ headers, cache }: Got) => {
  const inMeta = (cache as { detached?: unknown } | undefined)?.detached;
  return [headers["cache-status"]?.endsWith("; detached"), inMeta === undefined ? false : inMeta];
};

test("an isolate that cannot reach its OriginSync answers on, and says in each answer from the cache that it goes by itself", async () => {
  await ask(0);
  await expect.poll(async () => (await ask(1)).cache?.status).toBe("hit");
  await ask(1, "u");
  expect(saysDetached(await ask(1))).toEqual([false, false]);

  isReachable = false;
  await expect.poll(async () => saysDetached(await ask(1)), { timeout: 10_000 }).toEqual([true, true]);
  expect(said(await ask(1))).toBe("t 1");
  // The other is in step.
  expect(saysDetached(await ask(0))).toEqual([false, false]);
  // So are what a connection is opened with, and what stands in for an origin that is down; what has just come is not.
  const url = `${replica.urls[1]}/mcp`;
  origin.on("server/discover", () => ({
    result: { supportedVersions: [MODERN], capabilities: { tools: {} }, ttlMs: 600_000, cacheScope: "public" },
  }));
  for (const open of [() => modern(url, "server/discover"), () => initialize(url)]) {
    await expect.poll(async () => (await open()).cache?.status, { timeout: 5_000 }).toBe("hit");
    expect(saysDetached(await open())).toEqual([true, true]);
  }
  const missed = await ask(1, "u");
  expect([missed.cache?.status, ...saysDetached(missed)]).toEqual(["miss", false, false]);
  await origin.stop();
  const stale = await ask(1, "u");
  expect([stale.cache?.status, ...saysDetached(stale)]).toEqual(["stale", true, true]);

  isReachable = true;
  await expect.poll(async () => saysDetached(await ask(1)), { timeout: 10_000 }).toEqual([false, false]);
  // What was answered so is told in the pulses that follow, which there are while somebody asks.
  const counted = async () => {
    await ask(1);
    return Number(/^mcp_detached_operations_total\{origin="o"\} (\d+)$/m.exec(await scrape())?.[1]);
  };
  await expect.poll(counted, { timeout: 5_000 }).toBeGreaterThanOrEqual(5);
});

test("a purge that it cannot pass on is an error, and nothing is said to be done", async () => {
  isReachable = false;
  const url = `${replica.urls[1]}/admin/purge`;
  const refused = await fetch(url, { method: "POST", body: JSON.stringify({ tool: "t" }) });
  const { error } = (await refused.json()) as { error: { data: { code: string } } };
  expect([refused.status, error.data.code]).toEqual([503, "sync_unavailable"]);
  isReachable = true;
  expect((await fetch(url, { method: "POST", body: JSON.stringify({ tool: "t" }) })).status).toBe(200);
});
