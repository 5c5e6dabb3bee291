import type { Origin, Replica } from "../../config/replica.ts";
import type { Isolate } from "../../lanes/Exchange.ts";
import { hear } from "../../lanes/hear.ts";
import { within } from "../../lanes/within.ts";
import { originSync } from "../../origin/originSync.ts";
import type { Since } from "../../sync/Feed.ts";
import type { FeedView, Question } from "../../sync/FeedView.ts";
import type { PulseReply } from "../../sync/Pulse.ts";
import { reasonOf, type Reporter, type SyncOperation } from "../../telemetry/events.ts";
import type { Trouble } from "../errors.ts";

/** How long the object is waited for: whoever asks gives up some time as well, and should know what to do. */
export const PATIENCE_MS = 10_000;

/** The question of who knows nothing of a feed. */
const NOTHING_KNOWN: Question = { nth: 0, seq: 0, feedId: undefined };

/** What is needed to change a feed on somebody's word. */
export interface Syncing {
  replica: Replica;
  /** By the id that the origin has in a world; of a tenant's, where this isolate knows it. */
  feeds: Pick<ReadonlyMap<string, FeedView>, "get">;
  isolate: Isolate;
  report: Reporter;
}

/** Calls an `OriginSync`; `since` is what is known of its feed. */
export type AskObject<Reply> = (object: ReturnType<typeof originSync>, since: Since) => Promise<Reply>;

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
  ask: AskObject<Reply>,
): Promise<{ reply: Reply } | { trouble: Trouble }> {
  const feed = feeds.get(settings.id);
  const question = feed?.ask() ?? NOTHING_KNOWN;
  try {
    const asked = ask(originSync(env, settings), { seq: question.seq, feedId: question.feedId });
    const reply = await within(PATIENCE_MS, asked);
    if (feed) hear(isolate, settings.id, feed, { question, reply, now: Date.now() });
    return { reply };
  } catch (error) {
    const reason = reasonOf(error);
    report({ type: "sync-failed", operation, origin: settings.id, reason });
    return { trouble: { kind: "sync-unavailable", reason } };
  }
}
