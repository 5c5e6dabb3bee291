import { parseArgs } from "node:util";

/** What the command says about itself. */
export const USAGE = `Usage: main.ts [options]
  --quick   a short run that shows whether everything works; the documentation is left as it is
  --help    this text`;

/** How much is measured. */
export interface Options {
  quick: boolean;
  /** Load before the first turn, in ms: code gets compiled. */
  warmUpMs: number;
  /** Turns that the Workers take. Many short ones: a slow moment of the machine then falls on all of them. */
  rounds: number;
  /** Of each turn, with one connection and with many, in ms. */
  sequentialMs: number;
  parallelMs: number;
  /** Cold calls, and as many direct ones. */
  misses: number;
  /** Turns within one process. */
  insideRounds: number;
  /** Of which it is measured how soon everybody knows. */
  invalidations: number;
  /** How many rows are mirrored, one time after the other, and the load of each lookup. */
  mirror: Pick<Options, "warmUpMs" | "rounds" | "sequentialMs" | "parallelMs"> & { sizes: readonly number[] };
  /** The load of writes; how many are queued, one time after the other, and how long at most it is looked at how they are sent. */
  outbox: Options["mirror"] & { acceptMs: number; drainMs: number };
}

const FULL: Options = {
  quick: false,
  warmUpMs: 3_000,
  rounds: 20,
  sequentialMs: 500,
  parallelMs: 900,
  misses: 1_000,
  insideRounds: 40,
  invalidations: 30,
  mirror: { sizes: [1_000, 15_000, 200_000], warmUpMs: 500, rounds: 5, sequentialMs: 300, parallelMs: 500 },
  outbox: {
    sizes: [1_000, 100_000],
    acceptMs: 3_000,
    drainMs: 15_000,
    warmUpMs: 500,
    rounds: 6,
    sequentialMs: 400,
    parallelMs: 600,
  },
};
const QUICK: Options = {
  quick: true,
  warmUpMs: 300,
  rounds: 2,
  sequentialMs: 300,
  parallelMs: 300,
  misses: 100,
  insideRounds: 8,
  invalidations: 3,
  mirror: { sizes: [1_000], warmUpMs: 200, rounds: 1, sequentialMs: 300, parallelMs: 300 },
  outbox: {
    sizes: [1_000],
    acceptMs: 500,
    drainMs: 5_000,
    warmUpMs: 200,
    rounds: 1,
    sequentialMs: 300,
    parallelMs: 300,
  },
};

/** The options of a command line; `undefined` where it asks for help. Throws where it cannot be followed. */
export function parseOptions(args: string[]): Options | undefined {
  const { values } = parseArgs({ args, options: { quick: { type: "boolean" }, help: { type: "boolean" } } });
  if (values.help) return undefined;
  return values.quick ? QUICK : FULL;
}
