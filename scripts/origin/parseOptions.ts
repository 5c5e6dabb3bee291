import { parseArgs } from "node:util";
import { DURATION_SHAPE, parseDuration } from "../../src/config/duration.ts";
import type { OriginOptions } from "./startOrigin.ts";

/** What the command says about itself. */
export const USAGE = `Usage: main.ts [options]
  --port 8788         port on 127.0.0.1, 0 for any free one
  --latency 150ms     hold each POST that long (default 0ms)
  --jitter 30ms       vary that by as much either way (default 0ms)
  --fail-rate 0.01    share of POSTs to fail with HTTP 503 (default 0)
  --state DIR         folder for the notes (default: in memory only)
  --only css.         serve only the features whose ids begin so (default: all)
  --editable          have tools that change the data, in memory
  --help              this text`;

/** The longest delay, in ms. Clients give up long before. */
const LONGEST_MS = 600_000;

/** A command line that cannot be followed. The message says why. */
export class BadOption extends Error {}

/** The options of a command line; `undefined` where it asks for help. Throws `BadOption`. */
export function parseOptions(args: string[]): OriginOptions | undefined {
  const values = parse(args);
  if (values.help) return undefined;
  return {
    port: port(values.port ?? "8788"),
    latencyMs: duration("--latency", values.latency ?? "0ms"),
    jitterMs: duration("--jitter", values.jitter ?? "0ms"),
    failRate: share("--fail-rate", values["fail-rate"] ?? "0"),
    state: folder(values.state),
    only: values.only ?? "",
    editable: values.editable ?? false,
  };
}

function parse(args: string[]) {
  try {
    return parseArgs({
      args,
      options: {
        port: { type: "string" },
        latency: { type: "string" },
        jitter: { type: "string" },
        "fail-rate": { type: "string" },
        state: { type: "string" },
        only: { type: "string" },
        editable: { type: "boolean" },
        help: { type: "boolean" },
      },
    }).values;
  } catch (error) {
    throw new BadOption((error as Error).message, { cause: error });
  }
}

function port(text: string): number {
  const number = /^\d{1,5}$/.test(text) ? Number(text) : NaN;
  if (!(number <= 65_535)) throw new BadOption(`--port must be a whole number from 0 to 65535, not "${text}"`);
  return number;
}

function duration(option: string, text: string): number {
  const ms = parseDuration(text);
  if (ms === undefined) throw new BadOption(`${option} must be ${DURATION_SHAPE}, not "${text}"`);
  if (ms > LONGEST_MS) throw new BadOption(`${option} must be at most "10m", not "${text}"`);
  return ms;
}

function share(option: string, text: string): number {
  const number = /^\d*\.?\d+$/.test(text) ? Number(text) : NaN;
  if (!(number <= 1)) throw new BadOption(`${option} must be a number from 0 to 1, not "${text}"`);
  return number;
}

function folder(text: string | undefined): string | undefined {
  if (text === "") throw new BadOption("--state must name a folder");
  return text;
}
