import type { Context } from "hono";
// For a handful of routes its smallest router will do: a smaller bundle starts faster.
import { Hono } from "hono/tiny";
import { Authenticator } from "../access/authenticate.ts";
import { Roles } from "../access/Roles.ts";
import { InFlight } from "../access/InFlight.ts";
import { MemoryStore } from "../cache/MemoryStore.ts";
import { S3Fifo } from "../cache/S3Fifo.ts";
import { isPersonal } from "../config/originAuth.ts";
import type { Origin, Replica } from "../config/replica.ts";
import type { Isolate } from "../lanes/Exchange.ts";
import { Mirrors } from "../lanes/Mirrors.ts";
import { Schemas } from "../lanes/Schemas.ts";
import { SessionSource } from "../origin/SessionSource.ts";
import { Listening } from "../sync/Listening.ts";
import type { Reporter } from "../telemetry/events.ts";
import { AdminLimits } from "./admin/AdminLimits.ts";
import { admitAdmin } from "./admin/admitAdmin.ts";
import { refuse } from "./admin/refuse.ts";
import { serveJob, serveJobs } from "./admin/serveJobs.ts";
import { serveKeys } from "./admin/serveKeys.ts";
import { serveMetrics } from "./admin/serveMetrics.ts";
import { servePurge } from "./admin/servePurge.ts";
import { serveRows } from "./admin/serveRows.ts";
import { serveStatus } from "./admin/serveStatus.ts";
import { serveSync } from "./admin/serveSync.ts";
import { serveWarm } from "./admin/serveWarm.ts";
import { newStrangers, serveWebhook } from "./admin/serveWebhook.ts";
import { guard } from "./guard.ts";
import { Health } from "./health.ts";
import type { Incoming, Serving } from "./Incoming.ts";
import { nobody } from "./nobody.ts";
import { placeOf, type Place } from "./place.ts";
import { respondTrouble } from "./respond.ts";
import { METADATA_PATHS, serveMetadata } from "./serveMetadata.ts";
import { serveMcp } from "./serveMcp.ts";
import { servePage } from "./servePage.ts";
import { Worlds } from "./Worlds.ts";

/** Of an isolate's 128 MB, what entries may take. */
const MEMORY_BYTES = 48 * 1_048_576;

/** How many sessions an isolate remembers. One that it has forgotten it unseals again. */
const SESSIONS = 10_000;

/** What a path serves. */
type Endpoint = Pick<Incoming, "origin" | "feed" | "tally">;

type Bound = { Bindings: Cloudflare.Env };

/** The HTTP application. */
export interface App {
  fetch(request: Request, env: Cloudflare.Env, context: ExecutionContext): Response | Promise<Response>;
}

/** Makes the application: one endpoint for each origin, and health. */
export function createApp(replica: Replica, report: Reporter): App {
  const isolate: Isolate = {
    memory: new MemoryStore(MEMORY_BYTES),
    catalogues: new Map(),
    schemas: new Schemas(),
    eras: new Map(),
    surfacesAt: new Map(),
    suspectAt: new Map(),
    sessions: new S3Fifo(SESSIONS),
    sealKeys: new Map(),
    pooled: new SessionSource(),
    listening: new Listening(),
    mirrors: new Mirrors(),
    verifying: new Set(),
    inFlight: new InFlight(),
  };
  const worlds = new Worlds(replica, isolate);
  const serving: Serving = {
    replica,
    report,
    isolate,
    worlds,
    authenticator: new Authenticator(replica.access, {
      report,
      keepsToken: [...replica.origins.values()].some(({ settings }) => isPersonal(settings)),
    }),
    roles: replica.access.roles && new Roles(replica.access.roles),
  };
  const health = new Health(replica);
  const app = new Hono<Bound>();

  const mcp = (
    { origin, feed, tally }: Endpoint,
    request: Request,
    place: Place,
    env: Cloudflare.Env,
    context: Pick<ExecutionContext, "waitUntil">,
  ) => {
    const { headers } = request;
    const page = headers.get("origin");
    const incoming: Incoming = {
      request,
      headers,
      place,
      page,
      origin,
      feed,
      tally,
      env,
      waitUntil: (work) => context.waitUntil(work),
    };
    return page === null ? serveMcp(serving, incoming) : servePage(serving, incoming, page);
  };
  const endpointOf = (origin: Origin | undefined): Endpoint => {
    const { feed, tally } = worlds.get(origin?.settings.id ?? "") ?? {};
    return { origin, feed, tally };
  };
  const endpoints = new Map([["/mcp", endpointOf(replica.defaultOrigin)]]);
  for (const [id, origin] of replica.origins) endpoints.set(`/mcp/${id}`, endpointOf(origin));
  // What is not an endpoint as written: an id in another spelling, one that nobody has, a `Host` that is none.
  const routed = (c: Context<Bound>, origin: Origin | undefined) =>
    mcp(endpointOf(origin), c.req.raw, placeOf(c.req.url), c.env, c.executionCtx);
  app.all("/mcp", (c) => routed(c, replica.defaultOrigin));
  app.all("/mcp/:origin", (c) => routed(c, replica.origins.get(c.req.param("origin"))));

  // That the Worker runs: no more, and for anybody.
  app.get("/healthz", (c) => c.text("ok\n"));
  app.get("/readyz", async (c) => {
    const turnedAway = guard(placeOf(c.req.url), c.req.header("origin") ?? null, replica.hosts);
    if (turnedAway) return respondTrouble(turnedAway, nobody()).response;
    const readiness = await health.readiness(c.env);
    return c.json(readiness, readiness.ready ? 200 : 503);
  });
  const showing = { replica, known: worlds, report, isolate };
  const feeds = { get: (id: string) => worlds.feedOf(id) };
  const syncing = { replica, feeds, isolate, report, strangers: newStrangers() };
  const limits = new AdminLimits();
  /** What only operators may ask for: they are let in here, all by the one door. */
  const admin = (path: string, serve: (request: Request, c: Context<Bound>) => Promise<Response>) => {
    app.all(path, async (c) => {
      const { raw } = c.req;
      const trouble = await admitAdmin(replica, limits, raw, c.env.ADMIN_TOKEN);
      return trouble ? refuse(trouble, report, path) : serve(raw, c);
    });
    return path;
  };
  const admins = [
    admin("/metrics", (request, { env }) => serveMetrics(showing, request, env)),
    admin("/admin/jobs", (request, { env }) => serveJobs(showing, request, env)),
    admin("/admin/jobs/:id", (request, c) => serveJob(showing, c.req.param("id") ?? "", request, c.env)),
    admin("/admin/keys", (request, { env }) => serveKeys(serving, request, env)),
    admin("/admin/purge", (request, { env }) => servePurge(syncing, request, env)),
    admin("/admin/rows", (request, { env }) => serveRows(showing, request, env)),
    admin("/admin/status", (request, { env }) => serveStatus(showing, request, env)),
    admin("/admin/sync", (request, { env }) => serveSync(showing, request, env)),
    admin("/admin/warm", (request, { env, executionCtx }) =>
      serveWarm({ serving, endpointOf }, request, env, (work) => executionCtx.waitUntil(work)),
    ),
  ];
  app.all("/sync/:origin", (c) => serveWebhook(syncing, c.req.param("origin"), c.req.raw, c.env));
  if (replica.access.jwt) {
    for (const path of METADATA_PATHS) app.all(path, (c) => serveMetadata(replica, c.req.raw));
  }
  app.notFound((c) => {
    const turnedAway = guard(placeOf(c.req.url), c.req.header("origin") ?? null, replica.hosts);
    // Nobody has said who asks, so no origin is named.
    const known = ["/mcp", "/mcp/<origin>", "/sync/<origin>", "/healthz", "/readyz", ...admins];
    return respondTrouble(turnedAway ?? { kind: "unknown-path", known }, nobody()).response;
  });
  return {
    fetch(request, env, context) {
      const place = placeOf(request.url);
      // Calls go straight to their endpoint: routing them would cost as much as finding their answers.
      const endpoint = endpoints.get(place.pathname);
      if (endpoint) return mcp(endpoint, request, place, env, context);
      return app.fetch(request, env, context);
    },
  };
}
