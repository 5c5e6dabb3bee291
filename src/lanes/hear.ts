import type { FeedView, Question } from "../sync/FeedView.ts";
import type { PulseReply } from "../sync/Pulse.ts";
import type { Isolate } from "./Exchange.ts";
import { heard } from "./heard.ts";

/** An answer of the origin's `OriginSync`, and to what. */
interface Spoken {
  question: Question;
  reply: PulseReply;
  /** Epoch ms. */
  now: number;
}

/** Takes in what an `OriginSync` tells of the feed, and draws the consequences: what listeners are told, and what they have to look at. */
export function hear(
  isolate: Pick<Isolate, "listening" | "catalogues">,
  originId: string,
  feed: FeedView,
  { question, reply, now }: Spoken,
): void {
  feed.listened = reply.listened;
  feed.heardAt = now;
  feed.detached = false;
  const news = feed.hear(question, reply);
  feed.hearPending(question, reply);
  heard(isolate, originId, feed, news);
}
