import type { Exchange } from "./Exchange.ts";

/** Whether an answer from the cache is given without news of what was invalidated, which its caller is told. Such answers are counted. */
export function isDetached({ feed }: Pick<Exchange, "feed">): boolean {
  if (feed.detached) feed.detachedAnswers++;
  return feed.detached;
}
