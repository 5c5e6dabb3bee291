import { KvStore } from "../../cache/KvStore.ts";
import { isPersonal } from "../../config/originAuth.ts";
import type { Origin } from "../../config/replica.ts";
import { storedEras } from "../../lanes/eras.ts";
import type { Counted } from "../../telemetry/Counted.ts";
import { reasonOf } from "../../telemetry/events.ts";
import type { Bindings } from "../../origin/callOrigin.ts";
import type { Trouble } from "../errors.ts";
import { lacksOf } from "../lacksOf.ts";
import { mirrorsOf } from "./mirrorsOf.ts";
import type { OriginStatus } from "./OriginStatus.ts";
import { outboxOf } from "./outboxOf.ts";
import { refuse } from "./refuse.ts";
import { totalsOf, type Showing } from "./totals.ts";

/** Serves `GET /admin/status`: how all origins stand, or the one that `?origin=` names, and what the deployment lacks. */
export async function serveStatus(showing: Showing, request: Request, env: Cloudflare.Env): Promise<Response> {
  const { replica } = showing;
  const trouble = (kind: Trouble) => refuse(kind, showing.report, "/admin/status");
  if (request.method !== "GET") return trouble({ kind: "get-only" });
  const named = new URL(request.url).searchParams.get("origin");
  const wanted = [...replica.origins].filter(([id]) => named === null || id === named);
  if (wanted.length === 0) return trouble({ kind: "unknown-origin", known: [...replica.origins.keys()] });
  const shown = wanted.map(async ([id, origin]) => [id, await statusOf(showing, origin, env)] as const);
  const origins = Object.fromEntries(await Promise.all(shown));
  const lacks = lacksOf(replica, env as unknown as Bindings);
  return Response.json({ origins, lacks }, { headers: { "cache-control": "no-store" } });
}

async function statusOf(showing: Showing, origin: Origin, env: Cloudflare.Env): Promise<OriginStatus> {
  const { id } = origin.settings;
  const [told, { mirror, down }, eras, entries, outbox] = await Promise.all([
    totalsOf(showing, origin, env),
    mirrorsOf(origin, env, showing.report),
    showing.isolate.eras.get(id)?.eras ?? storedEras(env, origin.settings).catch(() => null),
    new KvStore(env.KV, undefined).count(id).catch((error: unknown) => ({ reason: reasonOf(error) })),
    outboxOf(origin, env, showing.report),
  ]);
  const others = { mirror, ...(Object.keys(down).length > 0 && { mirrorDown: down }), ...(outbox && { outbox }) };
  if ("reason" in told) return { eras, sync: { up: false, reason: told.reason }, ...others, entries };
  const { counted, ...rest } = told.totals;
  return {
    eras,
    sync: { up: true },
    ...rest,
    listen: isPersonal(origin.settings) ? { ...rest.listen, state: "callers-only" } : rest.listen,
    refreshedAt: counted.refreshedAt || null,
    ...others,
    entries,
    counted: {
      since: counted.since,
      pulses: counted.pulses,
      callsSaved: counted.saved,
      verified: counted.verified ?? [],
      operations: counted.operations.map(withRatio).sort((a, b) => b.total - a.total),
    },
  };
}

function withRatio(operation: Counted["operations"][number]) {
  const { hit, stale } = operation.counts;
  const total = Object.values(operation.counts).reduce((sum, count) => sum + count, 0);
  return { ...operation, total, hitRatio: total && (hit + stale) / total };
}
