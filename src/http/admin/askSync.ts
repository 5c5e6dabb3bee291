import type { Origin, Replica } from "../../config/replica.ts";
import type { Isolate } from "../../lanes/Exchange.ts";
import { hear } from "../../lanes/hear.ts";
import { within } from "../../lanes/within.ts";
import { originSync } from "../../origin/originSync.ts";
import type { Since } from "../../sync/Feed.ts";
import type { FeedView } from "../../sync/FeedView.ts";
import type { PulseReply } from "../../sync/Pulse.ts";
import { reasonOf, type Reporter, type SyncOperation } from "../../telemetry/events.ts";
import type { Trouble } from "../errors.ts";

/** How long the object is waited for: whoever asks gives up some time as well, and should know what to do. */
const PATIENCE_MS = 10_000;

/** What is needed to change a feed on somebody's word. */
export interface Syncing {
  replica: Replica;
  /** By origin id. */
  feeds: ReadonlyMap<string, FeedView>;
  isolate: Isolate;
  report: Reporter;
}

/** What was invalidated. */
export interface Invalidated {
  origin: string;
  tags: string[];
  hard: boolean;
  feedId: string;
  seq: number;
}

/** Calls an origin's `OriginSync` for somebody who has to know whether it worked. What it tells of the feed this isolate goes by at once. */
export async function askSync<Reply extends PulseReply>(
  { feeds, isolate, report }: Syncing,
  env: Cloudflare.Env,
  { settings }: Origin,
  operation: SyncOperation,
  ask: (object: ReturnType<typeof originSync>, since: Since) => Promise<Reply>,
): Promise<{ reply: Reply } | { trouble: Trouble }> {
  const feed = feeds.get(settings.id)!;
  const question = feed.ask();
  try {
    const asked = ask(originSync(env, settings), { seq: question.seq, feedId: question.feedId });
    const reply = await within(PATIENCE_MS, asked);
    hear(isolate, settings.id, feed, { question, reply, now: Date.now() });
    return { reply };
  } catch (error) {
    const reason = reasonOf(error);
    report({ type: "sync-failed", operation, origin: settings.id, reason });
    return { trouble: { kind: "sync-unavailable", reason } };
  }
}
