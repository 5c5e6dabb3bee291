import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { bundleSize } from "./bundleSize.ts";
import { compareWorkers } from "./compareWorkers.ts";
import { startContenders } from "./contenders.ts";
import { TOOL } from "./exchange.ts";
import { machine } from "./machine.ts";
import { measureDrained } from "./measureDrained.ts";
import { measureInside } from "./measureInside.ts";
import { measureMirror } from "./measureMirror.ts";
import { measureMiss } from "./measureMiss.ts";
import { measureOperations } from "./measureOperations.ts";
import { measureVisibility, PULSE_MS } from "./measureVisibility.ts";
import { measureWriting } from "./measureWriting.ts";
import { parseOptions, USAGE, type Options } from "./options.ts";
import { startOrigin } from "./startOrigin.ts";
import { costTables } from "./costTables.ts";
import { tables, type Results } from "./tables.ts";
import { writeDocs } from "./writeDocs.ts";

const options = parseOptions(process.argv.slice(2));
if (options) await bench(options);
else console.log(USAGE);

/** Measures everything, prints the tables, and writes them into the documentation. */
async function bench(options: Options): Promise<void> {
  const results = await measure(options);
  const today = new Date().toISOString().slice(0, 10);
  const text = `Measured on ${today} by \`npm run bench\`: ${machine()}.\n\n${tables(results)}`;
  const cost = `Counted on ${today} by \`npm run bench\`.\n\n${costTables(results)}`;
  console.log(`${text}\n\n${cost}`);
  if (options.quick) return;
  await writeDocs("performance.md", text);
  await writeDocs("cost.md", cost);
}

async function measure(options: Options): Promise<Results> {
  const folder = await mkdtemp(path.join(tmpdir(), "bench-"));
  const origin = await startOrigin();
  try {
    const config = path.join(folder, "replica.config.json");
    await writeFile(config, JSON.stringify(configFor(`${origin.url}/mcp`)));
    say("the Workers, side by side");
    const workers = await sideBySide(config, options);
    say("misses");
    const miss = await measureMiss(origin, config, options.misses);
    say("hits, within one process");
    const inside = await measureInside(options.insideRounds);
    say("what calls take of the platform");
    const counted = await measureOperations(origin);
    say("how soon everybody knows");
    const visibility = await measureVisibility(config, options.invalidations);
    say("the mirror");
    const mirrored = await measureMirror(folder, options.mirror);
    say("the outbox");
    const writing = await measureWriting(options.outbox);
    const drained = await measureDrained(options.outbox);
    say("the bundle");
    return { workers, miss, inside, counted, visibility, mirrored, writing, drained, bundle: await bundleSize() };
  } finally {
    await origin.close();
    await rm(folder, { recursive: true, force: true });
  }
}

async function sideBySide(config: string, options: Options) {
  const contenders = await startContenders(config);
  try {
    return await compareWorkers(contenders, options);
  } finally {
    await Promise.all(contenders.map(({ close }) => close()));
  }
}

/** One tool, cached by its name for everybody. */
function configFor(url: string): object {
  const cache = { ttl: "1h", scope: "public" };
  const sync = { pulse: `${PULSE_MS}ms` };
  return { origins: { bench: { url, sync, tools: { [TOOL]: { cache } } } }, access: { open: true } };
}

/** Progress goes where the tables do not. */
function say(what: string): void {
  console.error(`Measuring ${what} ...`);
}
