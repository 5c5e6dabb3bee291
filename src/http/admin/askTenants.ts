import type { Origin } from "../../config/replica.ts";
import { inWorld } from "../../config/tenant.ts";
import { within } from "../../lanes/within.ts";
import { originSync } from "../../origin/originSync.ts";
import type { PulseReply } from "../../sync/Pulse.ts";
import { reasonOf, type SyncOperation } from "../../telemetry/events.ts";
import type { Trouble } from "../errors.ts";
import { askSync, PATIENCE_MS, type AskObject, type Syncing } from "./askSync.ts";
import { inTurns } from "./inTurns.ts";

/** How many objects are asked at once. */
const AT_ONCE = 20;

/**
 * Calls the `OriginSync` of each tenant of an origin, after its own, for somebody who has to know whether all of it
 * worked. A tenant that comes after the origin's own was called begins with nothing that could be invalidated.
 */
export async function askTenants<Reply extends PulseReply>(
  syncing: Syncing,
  env: Cloudflare.Env,
  origin: Origin,
  operation: SyncOperation,
  ask: AskObject<Reply>,
): Promise<{ replies: Reply[] } | { trouble: Trouble }> {
  let known: { ids: string[]; areAll: boolean };
  try {
    known = await within(PATIENCE_MS, originSync(env, origin.settings).tenants());
  } catch (error) {
    const reason = reasonOf(error);
    syncing.report({ type: "sync-failed", operation, origin: origin.settings.id, reason });
    return { trouble: { kind: "sync-unavailable", reason } };
  }
  const asked = await inTurns(known.ids, AT_ONCE, (id) => askSync(syncing, env, inWorld(origin, id), operation, ask));
  const replies = asked.flatMap((one) => ("reply" in one ? [one.reply] : []));
  const missed = asked.length - replies.length;
  if (missed === 0 && known.areAll) return { replies };
  // Where calls are answered that nobody can be told of, an operator has to know.
  const others = known.areAll ? "" : ", and there are others, more than the replica can know";
  const reason = `${missed} of ${asked.length} tenants were not told${others}`;
  return { trouble: { kind: "sync-unavailable", reason } };
}
