import { env } from "cloudflare:workers";
import { resolve } from "./config/resolve.ts";
import { createApp } from "./http/app.ts";
import config from "./replica.config.ts";
import { consoleReporter } from "./telemetry/consoleReporter.ts";

export { Coalescer } from "./origin/Coalescer.ts";
export { OriginSync } from "./sync/OriginSync.ts";

// A configuration that cannot be used stops the Worker when it starts, not at the first request.
const replica = resolve(config, env as unknown as Record<string, unknown>);
const app = createApp(replica, consoleReporter(env.REPLICA_LOG));

export default { fetch: app.fetch } satisfies ExportedHandler<Cloudflare.Env>;
