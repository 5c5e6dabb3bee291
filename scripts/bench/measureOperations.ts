import { modernCall, STRICT_TOOL, TOOL, WRITE_TOOL, type Call } from "./exchange.ts";
import { HttpConnection, postBytes, replyOf } from "./HttpConnection.ts";
import { load } from "./load.ts";
import { NONE, type Operations } from "./operations.ts";
import { startWorker, type Started } from "./startWorker.ts";

/** What the kinds of calls take, each on average, and how often isolates ask the feed. */
export interface Counted {
  calls: {
    kind: string;
    /** Whether a Durable Object waits for the origin meanwhile. */
    waitsForOrigin: boolean;
    operations: Operations;
  }[];
  /** Calls of `OriginSync` a pulse, by how many connections load the isolate. */
  pulses: { connections: number; calls: number; aPulse: number }[];
}

/** How many of each kind. */
const EACH = 200;
/** What the write changes, and the strict tool answers from. */
const TAG = "written";
const PULSE_MS = 1_000;
const PULSES = 5;
/** A pulse so seldom that hardly any falls among the calls that are counted. */
const SELDOM = "1m";

/** Counts what calls take by what they are: one after the other, so that each is counted with what it left behind. */
export async function measureOperations(origin: Started): Promise<Counted> {
  return { calls: await countCalls(origin, EACH), pulses: await countPulses(origin) };
}

interface Kind {
  kind: string;
  call: (nth: number) => Call;
  waitsForOrigin?: true;
  /** Asked of an isolate that has nothing in memory. */
  isNewIsolate?: true;
}

function configFor(origin: Started, pulse: string): object {
  const cache = { ttl: "1h", scope: "public" } as const;
  const tools = {
    [TOOL]: { cache },
    // It shares a tag with a write: that makes it strict.
    [STRICT_TOOL]: { cache: { ...cache, tags: [TAG] } },
    [WRITE_TOOL]: { write: { invalidates: [TAG] } },
  };
  return {
    origins: { bench: { url: `${origin.url}/mcp`, sync: { pulse }, tools } },
    access: { open: true },
  };
}

/** Counts what calls take on average, so many of each kind. */
export async function countCalls(origin: Started, each: number): Promise<Counted["calls"]> {
  const counted = await startCounted(origin, SELDOM);
  try {
    const asked = (nth: number): Call => modernCall(1, { id: `api.Feature${nth}` });
    const relayed = (nth: number): Call => modernCall(1, { nth }, "another");
    const strict = modernCall(1, { id: "api.Written" }, STRICT_TOOL);
    /** What an isolate looks up once is not a call's. */
    const settle = async () => {
      for (const call of [asked(-1), relayed(-1)]) await counted.ask(call);
      await counted.settled();
    };
    await counted.ask(strict);
    await settle();
    const kinds: Kind[] = [
      { kind: "a miss", call: asked, waitsForOrigin: true },
      { kind: "a hit in memory", call: asked },
      { kind: "a strict hit", call: () => strict },
      { kind: "a hit in KV", call: asked, isNewIsolate: true },
      { kind: "relayed, as it may not be cached", call: relayed },
      { kind: "a write that is announced", call: (nth) => modernCall(1, { nth }, WRITE_TOOL) },
    ];
    const calls: Counted["calls"] = [];
    for (const { kind, call, waitsForOrigin = false, isNewIsolate } of kinds) {
      if (isNewIsolate) {
        await counted.beginAnew();
        await settle();
      }
      for (let nth = 0; nth < each; nth++) await counted.ask(call(nth));
      const operations = await counted.settled();
      const average = Object.entries(operations).map(([name, count]) => [name, count / each]);
      calls.push({ kind, waitsForOrigin, operations: { ...NONE, ...Object.fromEntries(average) } });
    }
    return calls;
  } finally {
    await counted.close();
  }
}

async function countPulses(origin: Started): Promise<Counted["pulses"]> {
  const counted = await startCounted(origin, `${PULSE_MS}ms`);
  try {
    const call = modernCall(1);
    await counted.ask(call);
    const pulses: Counted["pulses"] = [];
    for (const connections of [1, 32]) {
      await counted.counts();
      const { latencies } = await load(counted.url, postBytes(counted.url, call), connections, PULSES * PULSE_MS);
      const { syncRequests } = await counted.counts();
      pulses.push({ connections, calls: latencies.length, aPulse: syncRequests / PULSES });
    }
    return pulses;
  } finally {
    await counted.close();
  }
}

async function startCounted(origin: Started, pulse: string) {
  const worker = await startWorker("counted", { CONFIG: JSON.stringify(configFor(origin, pulse)) });
  const connection = await HttpConnection.open(worker.url);
  const counts = async () => (await (await fetch(`${worker.url}/counts`)).json()) as Operations;
  return {
    url: worker.url,
    async ask(call: Call): Promise<void> {
      const { status, body } = replyOf(await connection.exchange(postBytes(worker.url, call)));
      if (status !== 200 || body.includes('"error":')) throw new Error(`HTTP ${status}, ${body}`);
    },
    beginAnew: async () => void (await (await fetch(`${worker.url}/anew`)).text()),
    counts,
    /** What was counted, with what went on behind the answers. */
    async settled(): Promise<Operations> {
      await new Promise((resolve) => setTimeout(resolve, 500));
      return counts();
    },
    async close(): Promise<void> {
      connection.close();
      await worker.close();
    },
  };
}
