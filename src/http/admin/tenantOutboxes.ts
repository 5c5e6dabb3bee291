import type { Origin } from "../../config/replica.ts";
import { inWorld } from "../../config/tenant.ts";
import { within } from "../../lanes/within.ts";
import { originSync } from "../../origin/originSync.ts";
import { reasonOf, type Reporter } from "../../telemetry/events.ts";
import { askOutbox } from "./askOutbox.ts";
import { PATIENCE_MS } from "./askSync.ts";
import { inTurns } from "./inTurns.ts";
import type { TenantOutboxes } from "./ShownJobs.ts";

/** How many objects are asked at once. */
const AT_ONCE = 20;

/** Asks the outboxes of an origin's tenants how they stand. */
export async function tenantOutboxes(
  env: Cloudflare.Env,
  origin: Origin,
  report: Reporter,
): Promise<TenantOutboxes | { reason: string }> {
  let known: { ids: string[]; areAll: boolean };
  try {
    known = await within(PATIENCE_MS, originSync(env, origin.settings).tenants());
  } catch (error) {
    const reason = reasonOf(error);
    report({ type: "sync-failed", operation: "totals", origin: origin.settings.id, reason });
    return { reason };
  }
  const asked = await inTurns(known.ids, AT_ONCE, async (id) => {
    const told = await askOutbox(env, inWorld(origin, id), report, (object) => object.status());
    return { origin: id, told };
  });
  const tenants = asked.flatMap(({ origin: id, told }) =>
    "reply" in told && told.reply.amount.depth > 0
      ? [{ origin: id, counts: told.reply.counts, oldestAt: told.reply.oldestAt }]
      : [],
  );
  return { tenants, missed: asked.filter(({ told }) => "reason" in told).length, areAll: known.areAll };
}
