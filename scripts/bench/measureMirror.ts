import { writeFile } from "node:fs/promises";
import path from "node:path";
import type { PullReport } from "../../src/mirror/MirrorStatus.ts";
import { pullNow } from "../replica/pullNow.ts";
import { serve } from "../serve/serve.ts";
import { compareWorkers, type Measured } from "./compareWorkers.ts";
import type { Contender } from "./contenders.ts";
import { workerdPids } from "./cpuTime.ts";
import { modernCall } from "./exchange.ts";
import { HttpConnection, postBytes, replyOf } from "./HttpConnection.ts";
import { argumentsOf, itemText, LIMIT, LOOKUPS, type LookupTool } from "./items.ts";
import type { Options } from "./options.ts";
import { forgetPeak, residentSet } from "./residentSet.ts";
import { startItems } from "./startItems.ts";
import { startWorker, type Started } from "./startWorker.ts";

/** What was measured of a mirror of so many rows. */
export interface Mirrored {
  size: number;
  /** Of the first pull, of one that found a row changed, and of one that found nothing changed. */
  pulls: { first: PullReport; changed: PullReport; same: PullReport };
  /** Of the workerd that pulls and has the D1, in bytes: before the first pull, and at most meanwhile. */
  memory: { before: number; peak: number } | undefined;
  /** A select of one row first, then the lookups in their order. */
  workers: Measured[];
}

/** So many different calls of a kind. */
const CALLS = 500;

/** Measures pulls, and answers from the mirror beside a Worker that does nothing but select a row. */
export async function measureMirror(folder: string, options: Options["mirror"]): Promise<Mirrored[]> {
  const measured: Mirrored[] = [];
  for (const size of options.sizes) measured.push(await measureSize(folder, size, options));
  return measured;
}

async function measureSize(folder: string, size: number, options: Options["mirror"]): Promise<Mirrored> {
  const started: Started[] = [];
  try {
    const items = await startItems(size);
    started.push(items);
    const config = path.join(folder, `mirror-${size}.config.json`);
    await writeFile(config, JSON.stringify(configFor(`${items.url}/mcp`)));
    const before = new Set(workerdPids());
    const replica = await serve({ config });
    started.push(replica);
    const pid = workerdPids().find((one) => !before.has(one));

    forgetPeak(pid);
    const atFirst = residentSet(pid);
    const first = await pulled(replica.url);
    const peak = residentSet(pid)?.peak;
    items.change();
    const changed = await pulled(replica.url);
    const same = await pulled(replica.url);
    check(size, first, changed, same);

    const select = await startWorker("select");
    started.push(select);
    const body = itemText(0, size);
    await (await fetch(`${select.url}/fill`, { method: "POST", body: JSON.stringify({ size, body }) })).text();
    const contenders: Contender[] = [
      { name: "select", ...select, request: callsOf(select.url, "get_item", size), pid: undefined },
      ...LOOKUPS.map((name) => ({ name, ...replica, request: callsOf(replica.url, name, size), pid: undefined })),
    ];
    for (const one of contenders) await checkAnswers(one);
    const workers = await compareWorkers(contenders, options);
    const memory = atFirst && peak !== undefined ? { before: atFirst.now, peak } : undefined;
    return { size, pulls: { first, changed, same }, memory, workers };
  } finally {
    await Promise.all(started.map(({ close }) => close()));
  }
}

function configFor(url: string): object {
  const find = { from: "items", limit: LIMIT };
  const shape = { value: { items: { each: "{row}" } } };
  const tools: Record<LookupTool, object> = {
    get_item: { answer: { from: "items", key: "{id}" } },
    find_items: {
      answer: { ...find, where: { category: "{category}", price: { lte: "{maxPrice}" } }, orderBy: "price" },
      shape,
    },
    search_items: { answer: { ...find, search: "{query}" }, shape },
    search_all_items: { answer: { ...find, search: "{query}" }, shape },
  };
  const items = {
    from: {
      tool: "list_items",
      rows: "/items",
      cursor: { argument: "cursor", next: "/nextCursor" },
      total: "/total",
    },
    key: "id",
    index: [["category", "price"]],
    search: ["name", "description"],
    every: "1d",
    scope: "public",
  };
  return { origins: { bench: { url, collections: { items }, tools } }, access: { open: true } };
}

/** Has everything pulled, and awaits it. */
async function pulled(url: string): Promise<PullReport> {
  const {
    ended: [ended],
  } = await pullNow({ url, screen: { write: () => {} } });
  if (!ended?.pulled || ended.failed) throw new Error(`The pull failed: ${JSON.stringify(ended)}`);
  return ended.pulled;
}

/** What is measured is what it says it is. */
function check(size: number, first: PullReport, changed: PullReport, same: PullReport): void {
  const wrong =
    first.added !== size || changed.changed !== 1 || changed.added + changed.removed !== 0 || same.changed !== 0;
  if (wrong) throw new Error(`Pulls of ${size} rows went wrong: ${JSON.stringify([first, changed, same])}`);
}

function callsOf(url: string, tool: LookupTool, size: number): () => Buffer {
  const calls = Array.from({ length: CALLS }, (_, nth) =>
    postBytes(url, modernCall(nth, argumentsOf(tool, nth, size), tool)),
  );
  let nth = 0;
  return () => calls[nth++ % CALLS]!;
}

async function checkAnswers({ name, url, request }: Contender): Promise<void> {
  const connection = await HttpConnection.open(url);
  for (let time = 0; time < 3; time++) {
    const response = await connection.exchange(typeof request === "function" ? request() : request);
    const { status, body } = replyOf(response);
    const isFound = status === 200 && body.includes('"id":"item-') && !body.includes('"isError":true');
    const isMirrored = name === "select" || /cache-status: [^\r]*detail=mirror/i.test(response.toString("latin1"));
    if (!isFound || !isMirrored)
      throw new Error(`${name} gives a wrong answer: ${response.toString().slice(0, 1_000)}`);
  }
  connection.close();
}
