import { freePort } from "../serve/freePort.ts";
import type { Options } from "./options.ts";
import { startOrigin } from "./startOrigin.ts";
import { startWorker, type Started } from "./startWorker.ts";

/** How fast a queue is sent. */
export interface Drained {
  /** How many were queued. */
  size: number;
  /** How many of them were sent, and within how many ms. */
  sent: number;
  tookMs: number;
}

/** A write that is relayed, one that goes through the outbox, and one that it queues at once. */
export const RELAYED = "touch_note";
export const SENT = "send_note";
export const QUEUED = "queue_note";
/** So many are put into the queue in one go. */
const AT_A_TIME = 10_000;

/** Measures how fast queues of these sizes are sent. */
export async function measureDrained({ sizes, drainMs }: Options["outbox"]): Promise<Drained[]> {
  const drained: Drained[] = [];
  for (const size of sizes) drained.push(await measureSize(size, drainMs));
  return drained;
}

/** Queues so many while the origin is down, then starts it, and looks how many of them are sent, for a while at most. */
async function measureSize(size: number, drainMs: number): Promise<Drained> {
  const port = await freePort();
  const worker = await startWithOutbox(`http://127.0.0.1:${port}`);
  let origin: Started | undefined;
  try {
    // The first is taken in as all calls are: the outbox knows from it how its origin is reached.
    await ask(`${worker.url}/submit`, { tool: QUEUED, args: "{}" });
    for (let left = size - 1; left > 0; left -= AT_A_TIME) {
      await ask(`${worker.url}/fill?tool=${QUEUED}&count=${Math.min(left, AT_A_TIME)}`);
    }
    origin = await startOrigin(port);
    // It is found to be back when it is looked at, and until then it is left alone.
    while ((await doneOf(worker, "drain")) === 0) await pause(10);
    const [first, begun] = [await doneOf(worker, "status"), performance.now()];
    let done = first;
    let now = begun;
    while (done < size && now - begun < drainMs) {
      await pause(50);
      done = await doneOf(worker, "status");
      now = performance.now();
    }
    return { size, sent: done - first, tookMs: now - begun };
  } finally {
    await worker.close();
    await origin?.close();
  }
}

/** Starts a replica with an outbox before that origin. */
export function startWithOutbox(origin: string): Promise<Started> {
  const tools = {
    [RELAYED]: { write: { invalidates: ["note"] } },
    [SENT]: { write: { queue: "when-down", orderBy: false, invalidates: ["note"] } },
    [QUEUED]: { write: { queue: "always", orderBy: false } },
  };
  const outbox = { depth: 1_000_000, bytes: "1000MB", callerDepth: 1_000_000, callerBytes: "1000MB" };
  const config = { origins: { bench: { url: `${origin}/mcp`, tools, outbox } }, access: { open: true } };
  return startWorker("outbox", { CONFIG: JSON.stringify(config), REPLICA_LOG: "off" });
}

async function doneOf({ url }: Started, path: "drain" | "status"): Promise<number> {
  const { counts } = JSON.parse(await ask(`${url}/${path}`)) as { counts: { done: number } };
  return counts.done;
}

async function ask(url: string, body?: object): Promise<string> {
  const response = await fetch(url, body && { method: "POST", body: JSON.stringify(body) });
  const text = await response.text();
  if (!response.ok) throw new Error(`${url}: HTTP ${response.status}, ${text}`);
  return text;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
