import type { Origin } from "../../config/replica.ts";
import type { OutboxStatus } from "../../outbox/OutboxStatus.ts";
import type { Reporter } from "../../telemetry/events.ts";
import { askOutbox } from "./askOutbox.ts";

/** How an origin's outbox stands, or why that cannot be said; `undefined` where it has none. Those of its tenants are not counted in. */
export async function outboxOf(
  origin: Origin,
  env: Cloudflare.Env,
  report: Reporter,
): Promise<OutboxStatus | { reason: string } | undefined> {
  if (!origin.outbox) return undefined;
  const asked = await askOutbox(env, origin, report, (object) => object.status());
  return "reason" in asked ? asked : asked.reply;
}
