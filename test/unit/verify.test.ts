import { expect, test } from "vitest";
import { MemoryStore } from "../../src/cache/MemoryStore.ts";
import { resolve } from "../../src/config/resolve.ts";
import { candidatesOf } from "../../src/lanes/candidates.ts";
import type { Exchange } from "../../src/lanes/Exchange.ts";
import { obtain } from "../../src/lanes/obtain.ts";
import { cacheableMethod } from "../../src/mcp/methods.ts";
import type { Call } from "../../src/mcp/recognise.ts";
import { FeedView } from "../../src/sync/FeedView.ts";

const NOW = 1_000_000;
const CALL: Call = {
  era: "modern",
  version: "2026-07-28",
  id: 1,
  method: "tools/call",
  shape: cacheableMethod("tools/call")!,
  target: "t",
  variant: {},
  capabilities: {},
  params: {},
  wantsProgress: false,
  cacheControl: undefined,
};

/** An isolate that has an answer in memory; what hits begin in the background. */
async function isolate(given: Partial<Exchange> = {}) {
  const tools = { t: { cache: { scope: "public", ttl: "1h" }, verify: 0.1 } } as const;
  const replica = resolve({ origins: { o: { service: "S", tools } } });
  const origin = replica.origins.get("o")!;
  const rule = origin.tools.find("t")!.value.cache!;
  const memory = new MemoryStore(1_000_000);
  let now = NOW;
  let begun = 0;
  const x = {
    replica,
    origin,
    feed: new FeedView(() => "i"),
    isolate: { memory, suspectAt: new Map(), eras: new Map(), catalogues: new Map(), verifying: new Set() },
    env: {},
    principal: "anonymous",
    payer: () => undefined,
    trace: { correlationId: "c", flags: "01" },
    now: () => now,
    random: () => 0.099,
    waitUntil: () => void begun++,
    report: () => {},
    ...given,
  } as unknown as Exchange;
  const entry = {
    storedAt: NOW,
    ttlMs: 3_600_000,
    staleWhileRevalidateMs: 0,
    staleIfErrorMs: 0,
    promisedMs: 0,
    scope: "public",
    era: "modern",
    tags: [],
    savedAt: NOW,
    hash: "h",
    body: '"content":[]',
    meta: "",
    contentEnd: 0,
  } as const;
  await memory.put(candidatesOf(x, CALL, rule)!.public!, entry);
  return {
    x,
    passes: (ms: number) => (now += ms),
    /** How many comparisons so many hits begin. */
    hits(times: number, onlyCached = false): number {
      begun = 0;
      for (let hit = 0; hit < times; hit++) {
        expect(obtain(x, CALL, rule, { again: false, onlyCached })).toMatchObject({
          kind: "entry",
          word: "hit",
        });
      }
      return begun;
    },
  };
}

test("the share of hits that the operator says is compared: by lot", async () => {
  expect((await isolate()).hits(1)).toBe(1);
  expect((await isolate({ random: () => 0.1 })).hits(1)).toBe(0);
});

test("no more than two at once, until they must have ended", async () => {
  const { hits, passes, x } = await isolate();
  expect(hits(5)).toBe(2);
  const { firstByteMs, totalMs } = x.origin.settings;
  passes(firstByteMs + totalMs - 1);
  expect(hits(5)).toBe(0);
  passes(1);
  expect(hits(5)).toBe(2);
});

test("none for who goes by what is stored alone", async () => {
  expect((await isolate()).hits(1, true)).toBe(0);
});

test("none in a session, while the origin is down or in doubt or has no room, or where every call is relayed", async () => {
  expect((await isolate({ session: { name: "s", capabilities: {} } as unknown as Exchange["session"] })).hits(1)).toBe(
    0,
  );
  const crowded = await isolate();
  crowded.x.feed.health.crowded(NOW);
  expect(crowded.hits(1)).toBe(0);
  const down = await isolate();
  down.x.feed.health.breaker.open(NOW + 1_000, NOW, 0);
  expect(down.hits(1)).toBe(0);
  const off = await isolate();
  expect((await isolate({ replica: { ...off.x.replica, enabled: false } })).hits(1)).toBe(0);
});
