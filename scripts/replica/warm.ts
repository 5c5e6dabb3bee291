import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { isObject } from "../../src/mcp/isObject.ts";
import { scan } from "../../src/mcp/scan.ts";
import { options, UsageError } from "../commandLine.ts";
import { callReplica, LOCAL_URL } from "./callReplica.ts";
import { printable } from "./printable.ts";
import { startProgress } from "./progress.ts";

export const WARM_USAGE =
  "npm run replica -- warm --tool NAME --arguments FILE.jsonl [--origin ID] [--url URL] [--json]";

/** What goes to the replica at once. It takes 50 at most, and a megabyte; fewer show progress sooner. */
const BATCH = { calls: 20, length: 250_000 };
const MAX_LENGTH = 900_000;
const MAX_DEPTH = 256;
/** How many reasons are told, and how long one may be. */
const REASONS = 5;
const MAX_REASON = 400;

/** The arguments of a call, and where they stand. */
interface Line {
  number: number;
  text: string;
}

interface Answer {
  origin: string;
  results: { result: "hit" | "stale" | "miss" | "failed"; error?: { code: string; message: string } }[];
}

/** `replica warm`: has a replica, local or deployed, keep the answers to calls before anybody makes them. */
export async function warm(args: string[]): Promise<void> {
  const { values } = options({
    args,
    options: {
      origin: { type: "string" },
      tool: { type: "string" },
      arguments: { type: "string" },
      url: { type: "string", default: LOCAL_URL },
      json: { type: "boolean" },
    },
  });
  const { origin, tool, arguments: file, url, json } = values;
  if (tool === undefined || file === undefined) throw new UsageError("Name a --tool, and a file of --arguments.");
  const total = await checked(file);
  const sum = { origin: origin ?? "", tool, filled: 0, there: 0, failed: 0, reasons: [] as string[] };
  const progress = startProgress(total, process.stderr, Date.now);
  let done = 0;
  for await (const batch of batchesOf(file)) {
    const body = {
      ...(origin !== undefined && { origin }),
      tool,
      arguments: batch.map(({ text }) => JSON.parse(text) as object),
    };
    const text = await callReplica(url, "/admin/warm", { method: "POST", body }).catch((error: Error) => {
      progress.end();
      throw done === 0 ? error : new Error(`After ${done} of ${total} calls: ${error.message}`, { cause: error });
    });
    const answer = JSON.parse(text) as Answer;
    sum.origin = answer.origin;
    for (const [index, { result, error }] of answer.results.entries()) {
      if (result === "miss") sum.filled++;
      else if (result !== "failed") sum.there++;
      else if (++sum.failed <= REASONS)
        sum.reasons.push(`line ${batch[index]!.number}: ${error?.message} [${error?.code}]`);
    }
    done += batch.length;
    progress.add(batch.length);
  }
  progress.end();
  if (json) console.log(JSON.stringify(sum));
  else {
    console.log(`${sum.origin} ${tool}: ${sum.filled} filled, ${sum.there} already there, ${sum.failed} failed`);
    for (const reason of sum.reasons) console.log(`  ${printable(reason, MAX_REASON)}`);
    if (sum.failed > REASONS) console.log(`  and ${sum.failed - REASONS} more`);
  }
  if (sum.failed > 0) process.exitCode = 1;
}

/** How many calls a file has. Nothing is sent of one that has a bad line. */
async function checked(file: string): Promise<number> {
  const bad: string[] = [];
  let total = 0;
  for await (const { number, text } of linesOf(file)) {
    total++;
    const why = whatIsWrong(text);
    if (why !== undefined && bad.length < REASONS) bad.push(`line ${number}: ${why}`);
  }
  if (bad.length > 0) throw new Error(`Nothing was sent, for ${file} has bad lines:\n${bad.join("\n")}`);
  if (total === 0)
    throw new Error(`Nothing was sent, for ${file} is empty: a line is the arguments of one call, in JSON.`);
  return total;
}

function whatIsWrong(text: string): string | undefined {
  if (text.length > MAX_LENGTH) return `longer than ${MAX_LENGTH} characters`;
  const { tooDeep, exact } = scan(text, MAX_DEPTH);
  if (tooDeep) return `nests deeper than ${MAX_DEPTH} levels`;
  try {
    if (!isObject(JSON.parse(text))) return "not an object: it has to be a call's arguments";
  } catch (error) {
    return (error as Error).message;
  }
  return exact ? undefined : "two keys of one object are the same, or a number is not held exactly";
}

async function* batchesOf(file: string): AsyncGenerator<Line[]> {
  let batch: Line[] = [];
  let length = 0;
  for await (const line of linesOf(file)) {
    if (batch.length > 0 && (batch.length === BATCH.calls || length + line.text.length > BATCH.length)) {
      yield batch;
      batch = [];
      length = 0;
    }
    batch.push(line);
    length += line.text.length;
  }
  if (batch.length > 0) yield batch;
}

/** The lines of a file but for blank ones, however many. */
async function* linesOf(file: string): AsyncGenerator<Line> {
  const lines = createInterface({ input: createReadStream(file, "utf8"), crlfDelay: Number.POSITIVE_INFINITY });
  let number = 0;
  for await (const text of lines) {
    number++;
    if (text.trim() !== "") yield { number, text };
  }
}
