import { env } from "cloudflare:workers";
import { secretProblem } from "./cache/Vault.ts";
import { resolve } from "./config/resolve.ts";
import { createApp } from "./http/app.ts";
import config from "./replica.config.ts";
import { consoleReporter } from "./telemetry/consoleReporter.ts";

export { Coalescer } from "./origin/Coalescer.ts";
export { OriginSync } from "./sync/OriginSync.ts";

// A configuration that cannot be used stops the Worker when it starts, not at the first request.
const replica = resolve(config, env as unknown as Record<string, unknown>);
const report = consoleReporter(env.REPLICA_LOG);
const app = createApp(replica, report);
const problem = secretProblem(env.ENTRY_SECRET);
if (problem !== undefined) report({ type: "setup-warning", message: problem });

export default { fetch: app.fetch } satisfies ExportedHandler<Cloudflare.Env>;
