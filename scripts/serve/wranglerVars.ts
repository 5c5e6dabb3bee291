import path from "node:path";
import { fileURLToPath } from "node:url";
import { unstable_readConfig } from "wrangler";

/** The vars that `wrangler.toml` gives the Worker. */
export function wranglerVars(): Record<string, unknown> {
  const config = path.join(fileURLToPath(new URL("../..", import.meta.url)), "wrangler.toml");
  return unstable_readConfig({ config }).vars as Record<string, unknown>;
}
