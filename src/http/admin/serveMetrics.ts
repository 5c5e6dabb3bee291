import type { Counted, Counts } from "../../telemetry/Counted.ts";
import { AGE_MS, DURATION_MS } from "../../telemetry/Histogram.ts";
import { prometheus, type Family, type Sample } from "../../telemetry/prometheus.ts";
import type { MirrorStatus } from "../../mirror/MirrorStatus.ts";
import { mirrorFamilies } from "./mirrorFamilies.ts";
import { mirrorsOf } from "./mirrorsOf.ts";
import { outboxFamilies } from "./outboxFamilies.ts";
import { outboxOf } from "./outboxOf.ts";
import { refuse } from "./refuse.ts";
import { totalsOf, type Showing, type Told } from "./totals.ts";

const CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/** Serves `GET /metrics` in Prometheus's text format, of all origins. One that cannot be asked is said to be so. */
export async function serveMetrics(showing: Showing, request: Request, env: Cloudflare.Env): Promise<Response> {
  const { replica, known, report } = showing;
  if (request.method !== "GET") return refuse({ kind: "get-only" }, report, "/metrics");
  const scraped = await Promise.all(
    [...replica.origins].map(async ([id, origin]): Promise<Scraped> => {
      const [told, { mirror }, outbox] = await Promise.all([
        totalsOf(showing, origin, env),
        mirrorsOf(origin, env, report),
        outboxOf(origin, env, report),
      ]);
      const { heardAt } = known.get(id)!.feed;
      return { id, told, mirror, outbox, ownLagMs: heardAt && Date.now() - heardAt };
    }),
  );
  const headers = { "content-type": CONTENT_TYPE, "cache-control": "no-store" };
  const families = [
    ...familiesOf(scraped),
    ...mirrorFamilies(
      scraped.flatMap(({ mirror }) => mirror),
      Date.now(),
    ),
    ...outboxFamilies(
      new Map(scraped.flatMap(({ id, outbox }) => (outbox && "counts" in outbox ? [[id, outbox]] : []))),
      Date.now(),
    ),
  ];
  return new Response(prometheus(families), { headers });
}

interface Scraped {
  id: string;
  told: Told;
  mirror: MirrorStatus[];
  outbox: Awaited<ReturnType<typeof outboxOf>>;
  /** How long ago the isolate that serves the scrape heard the feed, in ms. */
  ownLagMs: number;
}

function familiesOf(scraped: readonly Scraped[]): Family[] {
  /** The samples of those origins that could be asked. */
  const of = (samplesOf: (origin: string, told: Extract<Told, { totals: unknown }>["totals"]) => Sample[]) =>
    scraped.flatMap(({ id, told }) => ("totals" in told ? samplesOf(id, told.totals) : []));
  return [
    {
      name: "mcp_operations_total",
      type: "counter",
      help: "MCP operations by how they were answered, counted when the answer begins.",
      samples: of((origin, { counted }) =>
        counted.operations.flatMap(({ method, name, counts }) =>
          Object.entries(counts).flatMap(([status, value]) =>
            value > 0 ? [{ labels: { origin, method, name, status }, value }] : [],
          ),
        ),
      ),
    },
    {
      name: "mcp_operation_duration_seconds",
      type: "histogram",
      help: "Time until an answer begins. 0 where memory has it: the clock of a Worker stands still while it computes.",
      samples: of((origin, { counted }) =>
        counted.durations.map(({ method, histogram }) => ({
          labels: { origin, method },
          value: { histogram, boundsMs: DURATION_MS },
        })),
      ),
    },
    {
      name: "mcp_operations_active",
      type: "gauge",
      help: "Operations whose answers have not begun, as isolates told in their last pulses.",
      samples: of((origin, { isolates }) => [{ labels: { origin }, value: isolates.active }]),
    },
    {
      name: "mcp_cache_requests_total",
      type: "counter",
      help: "Operations by what the cache had for them. A bypass went to the origin as it came.",
      samples: of((origin, { counted }) =>
        Object.entries(cacheResults(counted)).map(([result, value]) => ({ labels: { origin, result }, value })),
      ),
    },
    {
      name: "mcp_detached_operations_total",
      type: "counter",
      help: "Answers from the cache of isolates that asked for news of what was invalidated and had long heard none.",
      samples: of((origin, { counted }) => [{ labels: { origin }, value: counted.detached }]),
    },
    {
      name: "mcp_cache_age_seconds",
      type: "histogram",
      help: "How old answers from the cache were.",
      samples: of((origin, { counted }) => [
        { labels: { origin }, value: { histogram: counted.ages, boundsMs: AGE_MS } },
      ]),
    },
    {
      name: "mcp_verified_total",
      type: "counter",
      help: "Answers that were compared with the origin's, by where they came from and whether they said the same.",
      samples: of((origin, { counted: { verified = [] } }) =>
        verified.flatMap(({ name, lane, matches, mismatches }) => [
          { labels: { origin, name, lane, result: "match" }, value: matches },
          { labels: { origin, name, lane, result: "mismatch" }, value: mismatches },
        ]),
      ),
    },
    {
      name: "mcp_verified_staleness_max_seconds",
      type: "gauge",
      help: "How old the oldest answer was that said something else than the origin.",
      samples: of((origin, { counted: { verified = [] } }) =>
        verified.map(({ name, lane, staleMs }) => ({ labels: { origin, name, lane }, value: staleMs / 1_000 })),
      ),
    },
    {
      name: "mcp_verified_staleness_seconds",
      type: "histogram",
      help: "How old answers were that said something else than the origin, which has changed them since.",
      samples: of((origin, { counted: { verified = [], staleness } }) =>
        verified.length > 0 && staleness
          ? [{ labels: { origin }, value: { histogram: staleness, boundsMs: AGE_MS } }]
          : [],
      ),
    },
    {
      name: "mcp_origin_health",
      type: "gauge",
      help: "1 while the origin is up, 0 while it is down.",
      samples: of((origin, { health }) => [{ labels: { origin }, value: health.state === "down" ? 0 : 1 }]),
    },
    {
      name: "mcp_feed_lag_seconds",
      type: "gauge",
      help: "For how long the slowest isolate had not heard of invalidations, at its last pulse.",
      samples: scraped.map(({ id: origin, told, ownLagMs }) => ({
        labels: { origin },
        value: ("totals" in told ? told.totals.isolates.lagMs : ownLagMs) / 1_000,
      })),
    },
    {
      name: "mcp_sync_up",
      type: "gauge",
      help: "Whether the origin's OriginSync could be asked. While it cannot, most other metrics of the origin are absent.",
      samples: scraped.map(({ id: origin, told }) => ({ labels: { origin }, value: "totals" in told ? 1 : 0 })),
    },
  ];
}

/** The words of the cache for how operations were answered; of what it has no part in, none. */
function cacheResults({ operations }: Counted): Record<"hit" | "stale" | "miss" | "bypass", number> {
  const sum = (result: keyof Counts) => operations.reduce((all, { counts }) => all + counts[result], 0);
  return { hit: sum("hit"), stale: sum("stale"), miss: sum("miss"), bypass: sum("relay") };
}
