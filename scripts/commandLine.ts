import { parseArgs, type ParseArgsConfig } from "node:util";

/** The command line is wrong: shown with the usage, exit code 2. */
export class UsageError extends Error {}

/** Parses options as `node:util` does; what is wrong becomes a `UsageError`. */
export function options<T extends ParseArgsConfig>(config: T): ReturnType<typeof parseArgs<T>> {
  try {
    return parseArgs(config);
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

/** Runs a command: a `UsageError` shows the usage and exits 2, any other failure its message and exits 1. */
export async function run(usage: string, command: () => Promise<void>): Promise<void> {
  try {
    await command();
  } catch (error) {
    console.error(error instanceof Error ? error.message : String(error));
    if (error instanceof UsageError) console.error(`\n${usage}`);
    process.exit(error instanceof UsageError ? 2 : 1);
  }
}
