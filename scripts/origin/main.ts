import { BadOption, parseOptions, USAGE } from "./parseOptions.ts";
import { type Origin, startOrigin } from "./startOrigin.ts";

/** Exit codes: 0 after SIGINT or SIGTERM, 1 where the origin cannot start, 2 for a bad option. */
try {
  const options = parseOptions(process.argv.slice(2));
  if (options) endOnSignal(await startOrigin({ ...options, log: (line) => console.error(line) }));
  else console.log(USAGE);
} catch (error) {
  console.error((error as Error).message);
  if (error instanceof BadOption) console.error(USAGE);
  process.exitCode = error instanceof BadOption ? 2 : 1;
}

function endOnSignal(origin: Origin): void {
  const end = () => void origin.close();
  // Once only: a second signal ends the process at once.
  process.once("SIGINT", end);
  process.once("SIGTERM", end);
  console.log(`origin ${origin.url}`);
}
