import { afterEach, expect, test, vi } from "vitest";
import { NOBODY } from "../../src/access/payer.ts";
import { MemoryStore } from "../../src/cache/MemoryStore.ts";
import { resolve } from "../../src/config/resolve.ts";
import type { Exchange } from "../../src/lanes/Exchange.ts";
import { Listener } from "../../src/lanes/Listener.ts";
import { parseFilter, type ListenFilter } from "../../src/mcp/listenFilter.ts";
import { FeedView } from "../../src/sync/FeedView.ts";
import { Listening } from "../../src/sync/Listening.ts";
import { Tally } from "../../src/telemetry/Tally.ts";

const REPLICA = resolve({ origins: { o: { service: "S" } }, access: { open: true } });

/** A listener at an origin that answers so. */
function setUp(answer: (id: string) => Response | Promise<Response>, now = Date.now, lapsesAt?: number) {
  const signals: AbortSignal[] = [];
  const filters: unknown[] = [];
  const binding = {
    fetch: (_: string, { body, signal }: RequestInit) => {
      signals.push(signal!);
      const asked = JSON.parse(body as string) as { id: string; params: { notifications: unknown } };
      filters.push(asked.params.notifications);
      return answer(asked.id);
    },
  };
  const params = { notifications: { toolsListChanged: true, taskIds: ["a"] } };
  const body = { jsonrpc: "2.0", id: 1, method: "subscriptions/listen", params };
  const listening = new Listening();
  const reports: unknown[] = [];
  const pulses: number[] = [];
  const pulse = async () => {
    pulses.push(now());
    return { feedId: "f", seq: 0, floor: 0, hardFloor: 0, changes: [] };
  };
  const x = {
    origin: REPLICA.origins.get("o"),
    replica: REPLICA,
    payer: NOBODY,
    principal: "p",
    caller: { principal: "p", ...(lapsesAt !== undefined && { lapsesAt }) },
    feed: new FeedView(() => "i"),
    tally: new Tally(() => undefined),
    kv: { get: async () => undefined },
    env: {
      S: binding,
      COALESCER: {
        idFromName: (name: string) => name,
        get: () => ({ fill: async () => ({ kind: "failed", failure: { kind: "unreachable" }, retryAfterMs: 0 }) }),
      },
      ORIGIN_SYNC: { idFromName: (name: string) => name, get: () => ({ pulse, invalidate: pulse }) },
    },
    isolate: {
      memory: new MemoryStore(1_000_000),
      listening,
      suspectAt: new Map(),
      catalogues: new Map(),
      eras: new Map(),
    },
    headers: new Headers(),
    left: () => new AbortController().signal,
    trace: { correlationId: "0".repeat(32), flags: "01" },
    text: JSON.stringify(body),
    body,
    now,
    random: () => 0,
    waitUntil: () => {},
    report: (event: unknown) => reports.push(event),
  } as unknown as Exchange;
  const stream = listening.streams.open(0)!;
  const filter = parseFilter(params.notifications) as ListenFilter;
  const { feed } = x;
  const events = new Listener(x, { id: 1, filter, stream }).begin();
  return { events, signals, filters, listening, reports, pulses, feed };
}

const sse = (...messages: unknown[]) =>
  new ReadableStream<Uint8Array>({
    start(controller) {
      for (const message of messages) {
        controller.enqueue(new TextEncoder().encode(`data: ${JSON.stringify(message)}\n\n`));
      }
    },
  });
const streaming = (...messages: unknown[]) =>
  new Response(sse(...messages), { headers: { "content-type": "text/event-stream" } });
const ACK = {
  method: "notifications/subscriptions/acknowledged",
  params: { notifications: { taskIds: ["a"] } },
};
const unanswered = () => new Promise<Response>(() => {});

afterEach(() => {
  vi.useRealTimers();
});

test.each([
  ["while the origin has not answered", unanswered],
  ["while the origin's stream is open", () => streaming(ACK)],
])("a caller that leaves %s ends the call there at once, and gives its place up", async (_, answer) => {
  const { events, signals, listening, reports } = setUp(answer);
  await expect.poll(() => signals.length).toBe(1);
  await events.cancel();
  expect(signals[0]!.aborted).toBe(true);
  expect(listening.streams.size).toBe(0);
  await scheduler.wait(0);
  expect([signals.length, reports]).toEqual([1, []]);
});

test("the origin is asked for what the replica knows nothing of, and both are acknowledged", async () => {
  const { events, filters } = setUp(() => streaming(ACK));
  const { value } = await events.pipeThrough(new TextDecoderStream()).getReader().read();
  expect(filters).toEqual([{ taskIds: ["a"] }]);
  expect(value).toContain(`"notifications":{"toolsListChanged":true,"taskIds":["a"]}`);
});

test("an end in good order ends the call at the origin, and gives the place up", async () => {
  const { events, signals, listening } = setUp((id) => streaming(ACK, { id, result: { resultType: "complete" } }));
  const text = await new Response(events).text();
  expect(text).toContain(
    `"id":1,"result":{"_meta":{"io.modelcontextprotocol/subscriptionId":1},"resultType":"complete"}`,
  );
  expect([signals[0]!.aborted, listening.streams.size]).toEqual([true, 0]);
});

test("a stream ends in good order before what it may ask for is used up", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  let now = 1_000_000;
  const { events, listening } = setUp(unanswered, () => now);
  const reading = new Response(events).text();
  let looks = 0;
  while (listening.streams.size > 0) {
    listening.changes.add({ originId: "o", kind: "doubted", tag: "origin", principal: undefined });
    now += 500;
    await vi.advanceTimersByTimeAsync(500);
    expect(++looks).toBeLessThan(1_000);
  }
  // Each of them may have asked eight times.
  expect(looks).toBeGreaterThan(500);
  expect((await reading).trimEnd().split("\n").at(-1)).toContain('"result":{"resultType":"complete"');
});

test("a stream ends in good order when what its caller was let in by has lapsed", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  let now = 1_000_000;
  const { events, listening } = setUp(unanswered, () => now, now + 60_000);
  const reading = new Response(events).text();
  const look = async (ms: number) => {
    now += ms;
    await vi.advanceTimersByTimeAsync(500);
    return listening.streams.size;
  };
  expect([await look(30_000), await look(29_999), await look(1)]).toEqual([1, 1, 0]);
  expect((await reading).trimEnd().split("\n").at(-1)).toContain('"result":{"resultType":"complete"');
});

test("nor does what its pulses give rise to", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  let now = 1_000_000;
  const { events, listening, feed } = setUp(unanswered, () => now);
  const reading = new Response(events).text();
  let pulses = 0;
  while (listening.streams.size > 0) {
    // Somebody has found that more has changed, and could not tell the feed.
    feed.bumps.set("a", false);
    now += 6_000;
    await vi.advanceTimersByTimeAsync(500);
    expect(++pulses).toBeLessThan(1_000);
  }
  expect(pulses).toBeGreaterThan(500);
  expect((await reading).trimEnd().split("\n").at(-1)).toContain('"result":{"resultType":"complete"');
});

test("a listener alone keeps its isolate in step", async () => {
  const { events, pulses } = setUp(unanswered);
  await expect.poll(() => pulses.length, { timeout: 3_000 }).toBe(1);
  await events.cancel();
});
