import { serve } from "../serve/serve.ts";
import { workerdPids } from "./cpuTime.ts";
import { legacyCall, modernCall, TEXT, type Call } from "./exchange.ts";
import { HttpConnection, postBytes, replyOf } from "./HttpConnection.ts";
import type { Request } from "./load.ts";
import { startWorker, type Started } from "./startWorker.ts";

/** A Worker that is measured beside the others. */
export interface Contender extends Started {
  name: string;
  request: Request;
  /** Of its workerd; `undefined` where that is not to be known. */
  pid: number | undefined;
}

/** Starts the four Workers, each in a workerd of its own, and sees that each gives the right answer. */
export async function startContenders(config: string): Promise<Contender[]> {
  const id = 7;
  const contenders: (Contender & { request: Buffer })[] = [];
  try {
    contenders.push(await contender("limit", () => startWorker("limit"), modernCall(id)));
    contenders.push(await contender("replica", () => serve({ config }), modernCall(id)));
    contenders.push(await contender("sdk", () => startWorker("sdk"), modernCall(id)));
    contenders.push(await contender("sdk v1", () => startWorker("sdkFirst"), legacyCall(id)));
    for (const { name, url, request } of contenders) await check(name, url, request, id);
  } catch (error) {
    await Promise.all(contenders.map(({ close }) => close()));
    throw error;
  }
  return contenders;
}

async function contender(name: string, start: () => Promise<Started>, call: Call) {
  const before = new Set(workerdPids());
  const { url, close } = await start();
  const pid = workerdPids().find((one) => !before.has(one));
  return { name, url, close, request: postBytes(url, call), pid };
}

async function check(name: string, url: string, request: Buffer, id: number): Promise<void> {
  const connection = await HttpConnection.open(url);
  // The replica's first answer is a miss.
  await connection.exchange(request);
  const { status, body } = replyOf(await connection.exchange(request));
  connection.close();
  const message = JSON.parse(body) as {
    id?: unknown;
    result?: { content?: { text?: unknown }[]; _meta?: Record<string, { status?: unknown }> };
  };
  const answers = status === 200 && message.id === id && message.result?.content?.[0]?.text === TEXT;
  const hits = name !== "replica" || message.result?._meta?.["edge-replica/cache"]?.status === "hit";
  if (!answers || !hits) throw new Error(`${name} gives a wrong answer: HTTP ${status}, ${body.slice(0, 300)}`);
}
