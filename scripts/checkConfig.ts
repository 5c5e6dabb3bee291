/** `npm run check:config`: validates the operator's file as the Worker does when it starts. */
import { ConfigError } from "../src/config/ConfigError.ts";
import { resolve } from "../src/config/resolve.ts";
import { options, run } from "./commandLine.ts";
import { readConfig } from "./serve/bundle.ts";
import { localVars } from "./serve/localVars.ts";
import { wranglerVars } from "./serve/wranglerVars.ts";

await run("npm run check:config -- [--config FILE]", async () => {
  const { values } = options({ options: { config: { type: "string" } } });
  try {
    const { origins } = resolve(await readConfig(values.config), { ...wranglerVars(), ...localVars() });
    console.log(`ok: ${[...origins.keys()].join(", ")}`);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    throw new Error(`The configuration cannot be used:\n${error.message}`, { cause: error });
  }
});
