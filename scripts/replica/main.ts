/** `npm run replica -- COMMAND`: the operator's command line. */
import { run, UsageError } from "../commandLine.ts";
import { init, INIT_USAGE } from "./init.ts";
import { keys, KEYS_USAGE } from "./keys.ts";
import { login, LOGIN_USAGE } from "./login.ts";
import { purge, PURGE_USAGE } from "./purge.ts";
import { status, STATUS_USAGE } from "./status.ts";
import { warm, WARM_USAGE } from "./warm.ts";

const COMMANDS: Readonly<Record<string, (args: string[]) => Promise<void>>> = {
  init,
  keys,
  login,
  purge,
  status,
  warm,
};

const USAGE = [INIT_USAGE, KEYS_USAGE, LOGIN_USAGE, PURGE_USAGE, STATUS_USAGE, WARM_USAGE].join("\n");

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
