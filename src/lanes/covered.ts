import type { ListenFilter } from "../mcp/listenFilter.ts";
import type { Exchange } from "./Exchange.ts";
import { pulse } from "./pulse.ts";

/** How long a listener waits for the origin to be listened to for it. */
const PATIENCE_MS = 500;
const LOOK_EVERY_MS = 20;

/**
 * Sees to it that the origin tells of what somebody is about to listen to, as far as it can. Waits for that, not for long:
 * what is not told of by then is looked at later. Of all who come at about the same time, one asks for all; `asked` is
 * called where that is this one. Whether the origin does.
 */
export async function covered(x: Exchange, { lists, uris }: ListenFilter, asked: () => void): Promise<boolean> {
  const { feed, origin, now } = x;
  if (!origin.listens || !x.replica.enabled || lists.size + uris.size === 0) return false;
  const isCovered = () => feed.covered !== undefined && [...uris].every((uri) => feed.covered?.uris.has(uri));
  const until = now() + PATIENCE_MS;
  while (!isCovered() && now() < until) {
    if (now() < feed.seekingUntil) {
      // It was tried in vain: the next pulse tries again.
      if (feed.seekingUntil - now() > PATIENCE_MS) return false;
      await scheduler.wait(LOOK_EVERY_MS);
      continue;
    }
    feed.seekingUntil = now() + PATIENCE_MS;
    asked();
    await pulse(x, { now: now(), lagMs: 0, isAwaited: true });
    feed.seekingUntil = isCovered() ? 0 : now() + PATIENCE_MS + origin.pulseMs;
  }
  return isCovered();
}
