import { isOfTenant } from "../config/tenant.ts";
import { originSync } from "../origin/originSync.ts";
import type { Question } from "../sync/FeedView.ts";
import type { PulseReply } from "../sync/Pulse.ts";
import { reasonOf, type SyncOperation } from "../telemetry/events.ts";
import type { Exchange } from "./Exchange.ts";
import { hear } from "./hear.ts";
import { noteHealth } from "./noteHealth.ts";
import { within } from "./within.ts";

/** The origin's `OriginSync`, as it is called. */
export type SyncObject = ReturnType<typeof originSync>;

/**
 * Calls the origin's `OriginSync`, and takes in what it tells of the feed and of the origin's health, as it does in
 * every answer. The answer; `undefined` where there was none, or not within `withinMs` where somebody waits for it.
 * Never throws.
 */
export async function tune<Reply extends PulseReply>(
  x: Exchange,
  operation: SyncOperation,
  ask: (object: SyncObject, question: Question) => Promise<Reply>,
  withinMs?: number,
): Promise<Reply | undefined> {
  const { feed, origin, env } = x;
  const question = feed.ask();
  try {
    const asked = ask(originSync(env, origin.settings), question);
    const reply = await (withinMs === undefined ? asked : within(withinMs, asked));
    hear(x.isolate, origin.settings.id, feed, { question, reply, now: x.now() });
    // How the origin is, is the matter of its own world.
    if (!isOfTenant(origin.settings.id)) noteHealth(x, (health) => health.hear(reply.health, x.now(), x.random()));
    return reply;
  } catch (error) {
    x.report({ type: "sync-failed", operation, origin: origin.settings.id, reason: reasonOf(error) });
    return undefined;
  }
}
