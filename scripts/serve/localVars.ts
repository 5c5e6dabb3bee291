import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseEnv } from "node:util";

/** Where local secrets and vars stand, as with `wrangler dev`. Not in git. */
export const DEV_VARS = path.join(fileURLToPath(new URL("../..", import.meta.url)), ".dev.vars");

/** The secrets and vars of `.dev.vars`; none where there is no such file. */
export function localVars(): Record<string, string> {
  if (!existsSync(DEV_VARS)) return {};
  return parseEnv(readFileSync(DEV_VARS, "utf8")) as Record<string, string>;
}
