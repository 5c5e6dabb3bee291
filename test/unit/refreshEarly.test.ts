import { expect, test } from "vitest";
import { MemoryStore } from "../../src/cache/MemoryStore.ts";
import type { Entry } from "../../src/cache/entry.ts";
import { resolve } from "../../src/config/resolve.ts";
import { candidatesOf } from "../../src/lanes/candidates.ts";
import type { Exchange } from "../../src/lanes/Exchange.ts";
import { obtain } from "../../src/lanes/obtain.ts";
import { cacheableMethod } from "../../src/mcp/methods.ts";
import type { Call } from "../../src/mcp/recognise.ts";
import { FeedView } from "../../src/sync/FeedView.ts";

const NOW = 1_000_000;
const ENTRY: Entry = {
  storedAt: NOW - 9_000,
  ttlMs: 10_000,
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
  tookMs: 1_000,
};
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

/** How many refreshes a hit begins, in an isolate that has the entry in memory. */
async function begun(given: Partial<Exchange> = {}, entry: Partial<Entry> = {}, onlyCached = false): Promise<number> {
  const config = { origins: { o: { service: "S", tools: { t: { cache: { scope: "public" } } } } } };
  const origin = resolve(config).origins.get("o")!;
  const rule = origin.tools.find("t")!.value.cache!;
  const memory = new MemoryStore(1_000_000);
  const background: Promise<unknown>[] = [];
  const x = {
    origin,
    feed: new FeedView(() => "i"),
    isolate: { memory, suspectAt: new Map(), eras: new Map(), catalogues: new Map() },
    env: {},
    principal: "anonymous",
    trace: { correlationId: "c", flags: "01" },
    now: () => NOW,
    // The likeliest of all draws to refresh.
    random: () => 1 - 2 ** -53,
    waitUntil: (work: Promise<unknown>) => void background.push(work),
    report: () => {},
    ...given,
  } as unknown as Exchange;
  await memory.put(candidatesOf(x, CALL, rule)!.public!, { ...ENTRY, ...entry });
  // Twice at once: only one of them refreshes.
  for (let hit = 0; hit < 2; hit++) {
    expect(obtain(x, CALL, rule, { again: false, onlyCached })).toMatchObject({ kind: "entry", word: "hit" });
  }
  await Promise.all(background);
  return background.length;
}

test("a hit near the end of an entry refreshes it behind, once however many hits there are", async () => {
  expect(await begun()).toBe(1);
});

test.each([
  ["where the draw says not to", { random: () => 0.5 }, {}],
  ["in a session", { session: { name: "s", capabilities: {} } as unknown as Exchange["session"] }, {}],
  ["in the first half of its life", {}, { storedAt: NOW - 4_000 }],
  ["where nobody has measured what a refresh takes", {}, { tookMs: undefined as unknown as number }],
])("%s it does not", async (_, given, entry) => {
  expect(await begun(given, entry)).toBe(0);
});

test("nor does one who goes by what is stored alone", async () => {
  expect(await begun({}, {}, true)).toBe(0);
});
