import { serve } from "../serve/serve.ts";
import { modernCall } from "./exchange.ts";
import { HttpConnection, postBytes, replyOf } from "./HttpConnection.ts";

/** How long after an invalidation old answers are still given by isolates that did not hear of it first, in ms. */
export interface Visibility {
  pulseMs: number;
  isolates: number;
  /** One for each isolate and invalidation. */
  delays: number[];
}

/** How often isolates ask the feed while this is measured. */
export const PULSE_MS = 1_000;
const ISOLATES = 8;
const ASK_EVERY_MS = 10;

/** Invalidates again and again through one isolate, and asks all others for what was invalidated until it is new. */
export async function measureVisibility(config: string, rounds: number): Promise<Visibility> {
  const replica = await serve({ config, instances: ISOLATES });
  const connections = await Promise.all(replica.urls.map((url) => HttpConnection.open(url)));
  const [first, ...others] = replica.urls.map((url, index) => {
    const request = postBytes(url, modernCall(1));
    return async () => storedAt(replyOf(await connections[index]!.exchange(request)).body);
  });
  const delays: number[] = [];
  try {
    await first!();
    for (let round = 0; round < rounds; round++) {
      // Everybody has it, and somewhere between two pulses it is invalidated.
      for (const ask of others) await ask();
      await wait((PULSE_MS * round) / rounds);
      await purge(replica.url);
      const [at, begun] = [Date.now(), performance.now()];
      const untilNew = async (ask: () => Promise<number>) => {
        while ((await ask()) < at) await wait(ASK_EVERY_MS);
        delays.push(performance.now() - begun);
      };
      await Promise.all(others.map(untilNew));
    }
    return { pulseMs: PULSE_MS, isolates: ISOLATES, delays };
  } finally {
    for (const connection of connections) connection.close();
    await replica.close();
  }
}

async function purge(url: string): Promise<void> {
  const response = await fetch(`${url}/admin/purge`, { method: "POST", body: JSON.stringify({ origin: "bench" }) });
  if (!response.ok) throw new Error(`purge: HTTP ${response.status}, ${await response.text()}`);
  await response.arrayBuffer();
}

function storedAt(body: string): number {
  const cache = /"edge-replica\/cache":\{[^}]*"storedAt":(\d+)/.exec(body);
  if (!cache) throw new Error(`No answer of a cache: ${body}`);
  return Number(cache[1]);
}

function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
