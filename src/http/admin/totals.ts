import type { Origin, Replica } from "../../config/replica.ts";
import type { Isolate } from "../../lanes/Exchange.ts";
import { within } from "../../lanes/within.ts";
import { originSync } from "../../origin/originSync.ts";
import type { FeedView } from "../../sync/FeedView.ts";
import type { OriginTotals } from "../../sync/OriginTotals.ts";
import { reasonOf, type Reporter } from "../../telemetry/events.ts";
import type { Tally } from "../../telemetry/Tally.ts";

/** How long an object is waited for: who scrapes waits ten seconds as a rule, and wants to hear of the other origins. */
const PATIENCE_MS = 4_000;

/** What showing what was counted needs. */
export interface Showing {
  replica: Replica;
  /** What the isolate knows of the origins, by id. */
  known: Pick<ReadonlyMap<string, { feed: FeedView; tally: Tally }>, "get">;
  isolate: Pick<Isolate, "eras">;
  report: Reporter;
}

/** What an origin's `OriginSync` shows, or why it does not. */
export type Told = { totals: OriginTotals } | { reason: string };

/** What is known of an origin everywhere, with what this isolate has counted and not told yet. */
export async function totalsOf({ known, report }: Showing, { settings }: Origin, env: Cloudflare.Env): Promise<Told> {
  const { feed, tally } = known.get(settings.id)!;
  const counted = tally.take();
  try {
    const object = originSync(env, settings);
    const asked = object.totals({ isolate: feed.name, ...(counted && { tally: counted }) });
    const totals = await within(PATIENCE_MS, asked);
    if (counted) tally.taken(counted);
    return { totals };
  } catch (error) {
    const reason = reasonOf(error);
    report({ type: "sync-failed", operation: "totals", origin: settings.id, reason });
    return { reason };
  }
}
