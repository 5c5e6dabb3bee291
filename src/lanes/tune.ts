import { originSync } from "../origin/originSync.ts";
import type { Question } from "../sync/FeedView.ts";
import type { PulseReply } from "../sync/Pulse.ts";
import { reasonOf, type SyncOperation } from "../telemetry/events.ts";
import type { Exchange } from "./Exchange.ts";
import { heard } from "./heard.ts";

/** The origin's `OriginSync`, as it is called. */
type Object = ReturnType<typeof originSync>;

/**
 * Calls the origin's `OriginSync`, and takes in what it tells of the feed, as it does in every answer. Whether there was
 * one: never throws.
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
    feed.listened = reply.listened;
    heard(x.isolate, origin.settings.id, feed, feed.hear(question, reply));
    return true;
  } catch (error) {
    x.report({ type: "sync-failed", operation, origin: origin.settings.id, reason: reasonOf(error) });
    return false;
  }
}
