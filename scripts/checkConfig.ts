/** `npm run check:config`: validates the operator's file as the Worker does when it starts, and that what limits it names is bound. */
import { ConfigError } from "../src/config/ConfigError.ts";
import type { Replica } from "../src/config/replica.ts";
import { resolve } from "../src/config/resolve.ts";
import { options, run } from "./commandLine.ts";
import { readConfig } from "./serve/bundle.ts";
import { localVars } from "./serve/localVars.ts";
import { wranglerRateLimits } from "./serve/rateLimits.ts";
import { wranglerVars } from "./serve/wranglerVars.ts";

await run("npm run check:config -- [--config FILE]", async () => {
  const { values } = options({ options: { config: { type: "string" } } });
  try {
    const replica = resolve(await readConfig(values.config), { ...wranglerVars(), ...localVars() });
    const unbound = limitersOf(replica).filter((name) => !Object.hasOwn(wranglerRateLimits(), name));
    if (unbound.length > 0)
      throw new Error(
        `The configuration names limits that wrangler.toml does not bind, so that whoever is counted would be refused: ${unbound.join(", ")}. Add each as [[ratelimits]].`,
      );
    console.log(`ok: ${[...replica.origins.keys()].join(", ")}`);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    throw new Error(`The configuration cannot be used:\n${error.message}`, { cause: error });
  }
});

function limitersOf({ limits, origins }: Replica): string[] {
  const named = [limits.edge, limits.origin, ...[...origins.values()].flatMap(({ toolLimiters }) => toolLimiters)];
  return [...new Set(named.filter((name) => name !== undefined))];
}
