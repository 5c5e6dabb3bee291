import { ORIGIN_TAG } from "../cache/implicitTags.ts";
import type { Exchange } from "./Exchange.ts";
import { tune } from "./tune.ts";

/** Many may see one change at about the same time: the feed is told once, and once more of what came meanwhile. */
const EVERY_MS = 100;
/** How long those who ask anew wait for the feed to have been told. */
const PATIENCE_MS = 250;
const LOOK_EVERY_MS = 5;
/** More tags than this are not told one by one. */
const MAX_TAGS = 1_000;

/**
 * Invalidates tags in the origin's feed, in the background, so that every isolate forgets what carries them within a
 * pulse.
 */
export function bump(x: Exchange, tags: readonly string[], hard = false): void {
  const { feed } = x;
  const now = x.now();
  // Somebody is about to, and takes these along.
  const isAnnounced = feed.bumps.size > 0 && now < feed.bumpingUntil;
  remember(feed.bumps, tags, hard);
  if (!isAnnounced && tags.length > 0) announce(x, now);
}

/** Tells the feed, now that it can be reached, what it could not be told before. */
export function retell(x: Exchange): void {
  const now = x.now();
  if (x.feed.bumps.size > 0 && now >= x.feed.bumpingUntil) announce(x, now);
}

/** Waits until what this isolate is about to invalidate is: an answer asked for before that would be stale at once. */
export async function bumped({ feed, now }: Exchange): Promise<void> {
  if (feed.bumpingUntil === 0) return;
  const until = now() + PATIENCE_MS;
  while (now() < Math.min(until, feed.bumpingUntil)) await scheduler.wait(LOOK_EVERY_MS);
}

function announce(x: Exchange, now: number): void {
  const { feed } = x;
  feed.bumpingUntil = now + PATIENCE_MS;
  x.waitUntil(tell(x, Math.max(0, feed.bumpedAt + EVERY_MS - now), feed.bumpingUntil));
}

async function tell(x: Exchange, waitMs: number, announced: number): Promise<void> {
  const { feed } = x;
  if (waitMs > 0) await scheduler.wait(waitMs);
  const bumps = [...feed.bumps];
  feed.bumps.clear();
  feed.bumpedAt = x.now();
  for (const hard of [true, false]) {
    const tags = bumps.filter(([, isHard]) => isHard === hard).map(([tag]) => tag);
    if (tags.length === 0) continue;
    const isTold = await tune(x, "invalidate", (object, { seq, feedId }) =>
      object.invalidate(tags, { hard }, { seq, feedId }),
    );
    if (!isTold) remember(feed.bumps, tags, hard);
  }
  // Unless another has been announced meanwhile.
  if (feed.bumpingUntil === announced) feed.bumpingUntil = 0;
}

/** Keeps what the feed is to be told. */
function remember(bumps: Map<string, boolean>, tags: readonly string[], hard: boolean): void {
  for (const tag of tags) bumps.set(tag, hard || bumps.get(tag) === true);
  if (bumps.size <= MAX_TAGS) return;
  // Rather too much is forgotten than too little.
  const isHard = [...bumps.values()].includes(true);
  bumps.clear();
  bumps.set(ORIGIN_TAG, isHard);
}
