import { serve } from "../serve/serve.ts";
import { modernCall } from "./exchange.ts";
import { HttpConnection, postBytes, replyOf } from "./HttpConnection.ts";
import { startWorker, type Started } from "./startWorker.ts";
import { median } from "./stats.ts";

/** The middle latency of a call, in µs. */
export interface Miss {
  /** Straight to the origin. */
  direct: number;
  /** Through the replica, for what it has never seen. */
  replica: number;
  /** The same with a KV that has nothing and costs nothing. */
  withoutKv: number;
  /** To a Worker that does nothing; reads one missing KV key; calls one Durable Object; passes the call to the origin. */
  nothing: number;
  kv: number;
  object: number;
  relay: number;
}

/** Between two rounds, so that the write to KV behind an answer is not counted with the next. */
const PAUSE_MS = 5;

/** Measures cold calls against direct ones, and the steps that a cold call is made of, all in turns. */
export async function measureMiss(origin: Started, config: string, count: number): Promise<Miss> {
  const started: Started[] = [];
  try {
    const replica = await serve({ config });
    started.push(replica);
    const vars = { ORIGIN: `${origin.url}/mcp` };
    const withoutKv = await startWorker("withoutKv", vars);
    started.push(withoutKv);
    const steps = await startWorker("steps", vars);
    started.push(steps);
    // The replica comes last, because it goes on working after its answer.
    const ways = {
      direct: await way(origin.url, "/mcp"),
      nothing: await way(steps.url, "/nothing"),
      object: await way(steps.url, "/object"),
      kv: await way(steps.url, "/kv"),
      relay: await way(steps.url, "/origin"),
      withoutKv: await way(withoutKv.url, "/mcp"),
      replica: await way(replica.url, "/mcp"),
    };
    const latencies = Object.fromEntries(Object.keys(ways).map((name) => [name, [] as number[]]));
    for (let round = -Math.ceil(count / 10); round < count; round++) {
      for (const [name, ask] of Object.entries(ways)) {
        const took = await ask(round);
        // The first rounds are for warming up.
        if (round >= 0) latencies[name]!.push(took);
      }
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
    const middles = Object.entries(latencies).map(([name, values]) => [name, median(values)]);
    return Object.fromEntries(middles) as Record<keyof Miss, number>;
  } finally {
    await Promise.all(started.map(({ close }) => close()));
  }
}

/** A way to call: gives the µs that the call of that number took. Every number is another call. */
async function way(url: string, path: string): Promise<(round: number) => Promise<number>> {
  const connection = await HttpConnection.open(url);
  return async (round) => {
    const request = postBytes(url, modernCall(1, { id: `api.Feature${round}` }), path);
    const begun = performance.now();
    const response = await connection.exchange(request);
    const took = (performance.now() - begun) * 1_000;
    const { status, body } = replyOf(response);
    if (status !== 200 || body.includes('"error":')) throw new Error(`${url}${path}: HTTP ${status}, ${body}`);
    return took;
  };
}
