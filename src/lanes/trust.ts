import { concerning } from "../cache/concerning.ts";
import type { Address } from "../cache/key.ts";
import type { Exchange } from "./Exchange.ts";
import { check } from "./inStep.ts";

/** How far what is kept may be trusted in a strict call. */
export type Trust =
  /** As far as the feed, as it is now, has nothing against it. */
  | "kept"
  /** Not at all: something that it depends on is being written. */
  | "written"
  /** Not at all: what the feed says is not to be had. */
  | "blind";

/** How long a strict call waits for the feed. */
const PATIENCE_MS = 1_000;

/**
 * Asks the feed, at once, whether what is kept of an answer may be given. Why that is enough: a write is announced
 * before it is sent, and ends with an invalidation before its caller hears of it. What is kept carries the place in the
 * feed from before the origin was asked for it. So where at this moment no write is announced, and none has ended since
 * that place, none has changed anything in between: the answer is as true now as it was then. Where one is announced,
 * the origin alone can tell whether it has happened, and only in a call that begins after this.
 */
export async function trust(
  x: Exchange,
  address: Pick<Address, "method" | "target">,
  tags: readonly string[],
): Promise<Trust> {
  const announced = await announcedNow(x);
  if (!announced) return "blind";
  if (announced.length === 0) return "kept";
  const own = new Set(concerning(address, tags, "public"));
  return announced.some((tag) => own.has(tag)) ? "written" : "kept";
}

/** Asks the feed, at once, what is being written: the tags; `undefined` where that is not to be had. */
export async function announcedNow(x: Exchange): Promise<readonly string[] | undefined> {
  const reply = await check(x, PATIENCE_MS);
  // The answer of a feed that is lost says nothing of the one that is known.
  // Nor does that of an object of an earlier version, to which nobody announces.
  return reply?.feedId === x.feed.position?.feedId ? reply?.announced : undefined;
}
