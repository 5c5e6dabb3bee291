import { env } from "cloudflare:workers";
import { resolve } from "./config/resolve.ts";
import { createApp } from "./http/app.ts";
import { lacksOf } from "./http/lacksOf.ts";
import config from "./replica.config.ts";
import { consoleReporter } from "./telemetry/consoleReporter.ts";

export { MirrorSync } from "./mirror/MirrorSync.ts";
export { Coalescer } from "./origin/Coalescer.ts";
export { Outbox } from "./outbox/Outbox.ts";
export { OriginSync } from "./sync/OriginSync.ts";

// A configuration that cannot be used stops the Worker when it starts, not at the first request.
const given = env as unknown as Record<string, unknown>;
const replica = resolve(config, given);
const report = consoleReporter(env.REPLICA_LOG);
const app = createApp(replica, report);
const { missing, warnings } = lacksOf(replica, given);
const needed = missing.map((name) => `${name} is not there, which the configuration needs.`);
for (const message of [...needed, ...warnings]) report({ type: "setup-warning", message });

export default { fetch: app.fetch } satisfies ExportedHandler<Cloudflare.Env>;
