import { Hono, type Context } from "hono";
import { Authenticator } from "../access/authenticate.ts";
import { MemoryStore } from "../cache/MemoryStore.ts";
import type { Origin, Replica } from "../config/replica.ts";
import type { Reporter } from "../telemetry/events.ts";
import { newId } from "../telemetry/newId.ts";
import { guard } from "./guard.ts";
import { Health } from "./health.ts";
import { respondTrouble } from "./respond.ts";
import { pathsOf, serveMcp, type Serving } from "./serveMcp.ts";

/** Of an isolate's 128 MB, what entries may take. */
const MEMORY_BYTES = 48 * 1_048_576;

type Bound = { Bindings: Cloudflare.Env };

/** The HTTP application: one endpoint for each origin, and health. */
export function createApp(replica: Replica, report: Reporter): Hono<Bound> {
  const serving: Serving = {
    replica,
    report,
    isolate: { memory: new MemoryStore(MEMORY_BYTES), catalogues: new Map(), surfacesAt: new Map() },
    authenticator: new Authenticator(replica.access),
  };
  const health = new Health(replica);
  const app = new Hono<Bound>();

  const mcp = (c: Context<Bound>, origin: Origin | undefined) =>
    serveMcp(serving, {
      request: c.req.raw,
      url: new URL(c.req.url),
      origin,
      env: c.env,
      waitUntil: (work) => c.executionCtx.waitUntil(work),
    });
  app.all("/mcp", (c) => mcp(c, replica.defaultOrigin));
  app.all("/mcp/:origin", (c) => mcp(c, replica.origins.get(c.req.param("origin"))));

  // That the Worker runs: no more, and for anybody.
  app.get("/healthz", (c) => c.text("ok\n"));
  app.get("/readyz", async (c) => {
    const turnedAway = guard(new URL(c.req.url), c.req.header("origin") ?? null, replica.hosts);
    if (turnedAway) return respondTrouble(turnedAway, nobody()).response;
    const readiness = await health.readiness(c.env);
    return c.json(readiness, readiness.ready ? 200 : 503);
  });
  app.notFound(
    () =>
      respondTrouble({ kind: "unknown-path", known: [...pathsOf(replica), "/healthz", "/readyz"] }, nobody()).response,
  );
  return app;
}

function nobody() {
  return { id: null, isToolCall: false, isModern: false, correlationId: newId() };
}
