import { retell } from "./bump.ts";
import { knownEras, lacks } from "./eras.ts";
import type { Exchange } from "./Exchange.ts";
import { tune } from "./tune.ts";

/**
 * One call of the origin's `OriginSync`: what this isolate has counted and seen goes up, what it does not know of the
 * feed comes down. What could not be told is told with the next. `now` is epoch ms, `lagMs` how long nothing was heard
 * though it was asked for.
 */
export async function pulse(x: Exchange, now: number, lagMs: number): Promise<void> {
  const { feed, origin, tally } = x;
  const { health } = feed;
  const counted = tally.take();
  const outcomes = health.take();
  const isHeard = await tune(x, "pulse", (object, { seq, feedId }) =>
    object.pulse({
      seq,
      feedId,
      isolate: feed.name,
      origin: origin.settings,
      isLegacy: lacks(knownEras(x), "modern"),
      vitals: { active: tally.active(now - longest(x)), lagMs },
      ...(counted && { tally: counted }),
      ...(outcomes && { outcomes }),
    }),
  );
  if (isHeard) {
    if (counted) tally.taken(counted);
    retell(x);
  } else if (outcomes) health.giveBack(outcomes);
}

/** How long an operation may take until its answer begins: a fill, and what is asked before it. */
function longest({ origin }: Exchange): number {
  const { firstByteMs, totalMs } = origin.settings;
  return 2 * (firstByteMs + totalMs);
}
