import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseEnv } from "node:util";

/** Where local secrets and vars stand, as with `wrangler dev`. Not in git. */
export const DEV_VARS = path.join(fileURLToPath(new URL("../..", import.meta.url)), ".dev.vars");

/** What of the environment comes before the file. */
const OF_ENVIRONMENT = ["KEY_PEPPER", "ENTRY_SECRET"];

/** The secrets and vars of `.dev.vars`, and those secrets of the environment that come first. */
export function localVars(file: string = DEV_VARS): Record<string, string> {
  const kept = existsSync(file) ? parseEnv(readFileSync(file, "utf8")) : {};
  const own = OF_ENVIRONMENT.flatMap((name) => (process.env[name] ? [[name, process.env[name]]] : []));
  return { ...(kept as Record<string, string>), ...Object.fromEntries(own) };
}
