/** `npm run replica -- COMMAND`: the operator's command line. */
import { run, UsageError } from "../commandLine.ts";
import { discard, DISCARD_USAGE, redrive, REDRIVE_USAGE } from "./decideJobs.ts";
import { drain, DRAIN_USAGE } from "./drain.ts";
import { jobs, JOBS_USAGE } from "./jobs.ts";
import { keys, KEYS_USAGE } from "./keys.ts";
import { purge, PURGE_USAGE } from "./purge.ts";
import { rows, ROWS_USAGE } from "./rows.ts";
import { status, STATUS_USAGE } from "./status.ts";
import { sync, SYNC_USAGE } from "./sync.ts";
import { INIT_USAGE, LOGIN_USAGE } from "./usage.ts";
import { warm, WARM_USAGE } from "./warm.ts";

const COMMANDS: Readonly<Record<string, (args: string[]) => Promise<void>>> = {
  discard,
  drain,
  init: async (args) => (await import("./init.ts")).init(args),
  job: jobs,
  jobs,
  keys,
  login: async (args) => (await import("./login.ts")).login(args),
  purge,
  redrive,
  rows,
  status,
  sync,
  warm,
};

const USAGE = [
  DISCARD_USAGE,
  DRAIN_USAGE,
  INIT_USAGE,
  JOBS_USAGE,
  KEYS_USAGE,
  LOGIN_USAGE,
  PURGE_USAGE,
  REDRIVE_USAGE,
  ROWS_USAGE,
  STATUS_USAGE,
  SYNC_USAGE,
  WARM_USAGE,
].join("\n");

await run(USAGE, async () => {
  const [name = "", ...args] = process.argv.slice(2);
  if (name === "help" || process.argv.includes("--help")) {
    console.log(USAGE);
    return;
  }
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (!command) throw new UsageError(name === "" ? "Name a command." : `There is no command ${name}.`);
  await command(args);
});
