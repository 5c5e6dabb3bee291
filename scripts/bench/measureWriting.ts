import { freePort } from "../serve/freePort.ts";
import { compareWorkers, CONNECTIONS, type Measured } from "./compareWorkers.ts";
import type { Contender } from "./contenders.ts";
import { modernCall } from "./exchange.ts";
import { HttpConnection, postBytes, replyOf } from "./HttpConnection.ts";
import { load } from "./load.ts";
import { QUEUED, RELAYED, SENT, startWithOutbox } from "./measureDrained.ts";
import type { Options } from "./options.ts";
import { startOrigin } from "./startOrigin.ts";
import { quantile } from "./stats.ts";

/** What it takes to write. */
export interface Writing {
  /** Writes that wait for the origin's answer: relayed, and through the outbox. */
  through: Measured[];
  /** Calls that are queued, with the origin down, in µs and calls a second: with one connection, and with many. */
  accepted: { connections: number; p50: number; p99: number; rate: number }[];
}

const TASKS = { extensions: { "io.modelcontextprotocol/tasks": {} } };

/** Measures what it takes to write through the outbox, and to have a write queued. */
export async function measureWriting(options: Options["outbox"]): Promise<Writing> {
  return { through: await measureThrough(options), accepted: await measureAccepted(options) };
}

async function measureThrough(options: Options["outbox"]): Promise<Measured[]> {
  const origin = await startOrigin();
  const worker = await startWithOutbox(origin.url);
  try {
    const contenders = [RELAYED, SENT].map((tool): Contender => ({
      name: tool,
      url: worker.url,
      request: callsOf(worker.url, tool),
      pid: undefined,
      close: worker.close,
    }));
    for (const { request } of contenders) await check(worker.url, request, '"content":[{"type":"text"');
    return await compareWorkers(contenders, options);
  } finally {
    await worker.close();
    await origin.close();
  }
}

async function measureAccepted({ acceptMs }: Options["outbox"]): Promise<Writing["accepted"]> {
  const worker = await startWithOutbox(`http://127.0.0.1:${await freePort()}`);
  try {
    const request = callsOf(worker.url, QUEUED, TASKS);
    await check(worker.url, request, '"status":"working"');
    const accepted: Writing["accepted"] = [];
    for (const connections of [1, CONNECTIONS]) {
      const { latencies, durationMs } = await load(worker.url, request, connections, acceptMs);
      accepted.push({
        connections,
        p50: quantile(latencies, 0.5),
        p99: quantile(latencies, 0.99),
        rate: (latencies.length / durationMs) * 1_000,
      });
    }
    return accepted;
  } finally {
    await worker.close();
  }
}

/** Calls that differ: none of them is another's. */
function callsOf(url: string, tool: string, capabilities = {}): () => Buffer {
  let nth = 0;
  return () => postBytes(url, modernCall(1, { id: "api.AbortController", text: `note ${nth++}` }, tool, capabilities));
}

async function check(url: string, request: Contender["request"], wanted: string): Promise<void> {
  const connection = await HttpConnection.open(url);
  const { status, body } = replyOf(await connection.exchange(typeof request === "function" ? request() : request));
  connection.close();
  if (status !== 200 || !body.includes(wanted)) throw new Error(`HTTP ${status}, ${body}`);
}
