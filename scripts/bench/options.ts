import { parseArgs } from "node:util";

/** What the command says about itself. */
export const USAGE = `Usage: main.ts [options]
  --quick   a short run that shows whether everything works; the documentation is left as it is
  --help    this text`;

/** How much is measured. */
export interface Options {
  quick: boolean;
  /** Turns that the Workers take. */
  rounds: number;
  /** Of each turn, with one connection and with many, in ms. */
  sequentialMs: number;
  parallelMs: number;
  /** Cold calls, and as many direct ones. */
  misses: number;
  /** Turns within one process. */
  insideRounds: number;
}

const FULL: Options = {
  quick: false,
  rounds: 7,
  sequentialMs: 1_500,
  parallelMs: 2_500,
  misses: 1_000,
  insideRounds: 40,
};
const QUICK: Options = {
  quick: true,
  rounds: 2,
  sequentialMs: 300,
  parallelMs: 300,
  misses: 100,
  insideRounds: 8,
};

/** The options of a command line; `undefined` where it asks for help. Throws where it cannot be followed. */
export function parseOptions(args: string[]): Options | undefined {
  const { values } = parseArgs({ args, options: { quick: { type: "boolean" }, help: { type: "boolean" } } });
  if (values.help) return undefined;
  return values.quick ? QUICK : FULL;
}
