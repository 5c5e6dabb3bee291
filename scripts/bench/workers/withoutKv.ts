import { env } from "cloudflare:workers";
import { resolve } from "../../../src/config/resolve.ts";
import { createApp } from "../../../src/http/app.ts";
import { Coalescer as Real } from "../../../src/origin/Coalescer.ts";
import { TOOL } from "../exchange.ts";

/** A KV that has nothing and keeps nothing, at once. */
const NOTHING = {
  get: async () => null,
  put: async () => {},
  delete: async () => {},
  list: async () => ({ keys: [], list_complete: true }),
} as unknown as KVNamespace;

/** The Coalescer, which writes to that KV. */
export class Coalescer extends Real {
  constructor(context: DurableObjectState, bindings: Cloudflare.Env) {
    super(context, { ...bindings, KV: NOTHING });
  }
}

const cache = { ttl: "1h", scope: "public" } as const;
const app = createApp(
  resolve(
    { origins: { bench: { url: { env: "ORIGIN" }, tools: { [TOOL]: { cache } } } }, access: { open: true } },
    env as unknown as Record<string, unknown>,
  ),
  () => {},
);

// The replica, but for its KV: the local one is a simulator, so a deployed replica does not pay what this one costs.
export default {
  fetch: (request: Request, bindings: Cloudflare.Env, context: ExecutionContext) =>
    app.fetch(request, { ...bindings, KV: NOTHING }, context),
};
