import type { Origin } from "../../config/replica.ts";
import { within } from "../../lanes/within.ts";
import { outboxObject } from "../../origin/outboxObject.ts";
import { reasonOf, type Reporter } from "../../telemetry/events.ts";

/** How long an object is waited for: who scrapes waits ten seconds as a rule. */
const PATIENCE_MS = 4_000;

/** Calls an origin's `Outbox` for an operator; `reason`: why nobody knows whether it has heard. */
export async function askOutbox<Reply>(
  env: Cloudflare.Env,
  { settings }: Pick<Origin, "settings">,
  report: Reporter,
  ask: (object: ReturnType<typeof outboxObject>) => Promise<Reply>,
): Promise<{ reply: Reply } | { reason: string }> {
  try {
    return { reply: await within(PATIENCE_MS, ask(outboxObject(env, settings))) };
  } catch (error) {
    const reason = reasonOf(error);
    report({ type: "outbox-unreachable", origin: settings.id, reason });
    return { reason };
  }
}
