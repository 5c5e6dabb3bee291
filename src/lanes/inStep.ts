import type { PulseReply } from "../sync/Pulse.ts";
import type { Exchange } from "./Exchange.ts";
import { pulse } from "./pulse.ts";
import { wakeMirrors } from "./wakeMirrors.ts";

/** How long the first requests of an isolate, or after a pause, wait for what the origin's feed says. */
const JOIN_MS = 250;
const LOOK_EVERY_MS = 5;
/** Isolates spread their pulses by this share. */
const JITTER = 0.1;

/**
 * Asks the origin's feed what has changed, in the background. Called when that is due: while there is traffic, and
 * not more often. What to wait for, where the isolate has not heard of the feed for so long that it may not know what
 * everybody should; not for long: then it goes on detached, and what it stores before it ever hears is suspect later.
 */
export function inStep(x: Exchange, now: number): Promise<void> | undefined {
  const { feed, origin } = x;
  // Where every call is relayed nobody waits for the feed: only what is counted has to be told.
  if (!x.replica.enabled) {
    feed.dueAt = dueAfter(x, now);
    x.waitUntil(pulse(x, { now, lagMs: 0 }));
    return undefined;
  }
  wakeMirrors(x);
  if (now < feed.joiningUntil) return joined(x);
  const isInStep = now - feed.dueAt <= origin.pulseMs;
  // After a pause nothing is answered before the feed is heard: only who goes on without it lags.
  feed.heardAt ||= now;
  const working = pulse(x, { now, lagMs: isInStep ? now - feed.heardAt : 0 });
  x.waitUntil(working);
  if (isInStep) {
    feed.dueAt = dueAfter(x, now);
    feed.detached = feed.isDetached(now, origin.pulseMs);
    return undefined;
  }
  feed.joiningUntil = now + JOIN_MS;
  return Promise.race([working, scheduler.wait(JOIN_MS)]).then(() => {
    feed.dueAt = dueAfter(x, now);
    feed.joiningUntil = 0;
    feed.detached = feed.isDetached(x.now(), origin.pulseMs);
  });
}

/**
 * Tells in an origin's own world, in the background, what was counted in a tenant's: how the origin is asked and how it
 * is, is one thing for all. `x` is in the tenant's world.
 */
export function tellOwn(x: Exchange, own: Pick<Exchange, "origin" | "feed"> & { toldUntil: number }): void {
  const { arrivedAt: now, feed } = x;
  if (now < own.feed.dueAt || now < own.toldUntil) return;
  own.toldUntil = dueAfter(x, now);
  const lagMs = feed.heardAt > 0 && now - feed.dueAt <= x.origin.pulseMs ? now - feed.heardAt : 0;
  x.waitUntil(pulse({ ...x, origin: own.origin, feed: own.feed }, { now, lagMs, isForCounts: true }));
}

/** Promises are not shared between requests, so those that come meanwhile look again and again. */
async function joined({ feed, now }: Exchange): Promise<void> {
  while (now() < feed.joiningUntil) await scheduler.wait(LOOK_EVERY_MS);
}

/**
 * The same at once, for who must not answer before: what the feed says, within `withinMs`; `undefined` where it cannot
 * be asked. The next pulse is due an interval after it.
 */
export async function check(x: Exchange, withinMs: number): Promise<PulseReply | undefined> {
  const now = x.now();
  const reply = await pulse(x, { now, lagMs: 0, withinMs });
  if (reply) x.feed.dueAt = dueAfter(x, x.now());
  return reply;
}

function dueAfter({ origin, random }: Exchange, now: number): number {
  return now + origin.pulseMs * (1 - JITTER + 2 * JITTER * random());
}
