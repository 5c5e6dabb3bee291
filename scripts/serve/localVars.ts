import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseEnv } from "node:util";

/** Where local secrets and vars stand, as with `wrangler dev`. Not in git. */
export const DEV_VARS = path.join(fileURLToPath(new URL("../..", import.meta.url)), ".dev.vars");

/** The secrets and vars of `.dev.vars`, and `KEY_PEPPER` of the environment, which comes first. */
export function localVars(): Record<string, string> {
  const pepper = process.env["KEY_PEPPER"];
  const file = existsSync(DEV_VARS) ? parseEnv(readFileSync(DEV_VARS, "utf8")) : {};
  return { ...(file as Record<string, string>), ...(pepper && { KEY_PEPPER: pepper }) };
}
