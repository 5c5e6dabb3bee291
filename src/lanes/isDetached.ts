import type { Exchange } from "./Exchange.ts";

/** Whether an answer from the cache is given without news of what was invalidated, which its caller is told. Such answers are counted. */
export function isDetached({ feed, tally }: Pick<Exchange, "feed" | "tally">): boolean {
  if (feed.detached) tally.countDetached();
  return feed.detached;
}
