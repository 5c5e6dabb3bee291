import { originSync } from "../origin/originSync.ts";
import type { Question } from "../sync/FeedView.ts";
import type { PulseReply } from "../sync/Pulse.ts";
import { reasonOf, type SyncOperation } from "../telemetry/events.ts";
import type { Exchange } from "./Exchange.ts";
import { noteHealth } from "./noteHealth.ts";

/** The origin's `OriginSync`, as it is called. */
type Object = ReturnType<typeof originSync>;

/**
 * Calls the origin's `OriginSync`, and takes in what it tells of the feed and of the origin's health, as it does in
 * every answer. Whether there was one: never throws.
 */
export async function tune(
  x: Exchange,
  operation: SyncOperation,
  ask: (object: Object, question: Question) => Promise<PulseReply>,
): Promise<boolean> {
  const { feed, origin, env } = x;
  const question = feed.ask();
  try {
    const reply = await ask(originSync(env, origin.settings), question);
    feed.hear(question, reply);
    noteHealth(x, (health) => health.hear(reply.health, x.now(), x.random()));
    feed.heardAt = x.now();
    feed.detached = false;
    return true;
  } catch (error) {
    x.report({ type: "sync-failed", operation, origin: origin.settings.id, reason: reasonOf(error) });
    return false;
  }
}
