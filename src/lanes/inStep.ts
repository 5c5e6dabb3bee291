import type { Interest } from "../sync/Pulse.ts";
import type { Exchange } from "./Exchange.ts";
import { knownEras } from "./eras.ts";
import { recheckLists } from "./recheck.ts";
import { tune } from "./tune.ts";

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
  if (!x.replica.enabled) return undefined;
  if (now < feed.joiningUntil) return joined(x);
  const isInStep = now - feed.dueAt <= origin.pulseMs;
  const working = pulse(x);
  x.waitUntil(working);
  if (isInStep) {
    feed.dueAt = dueAfter(x, now);
    return undefined;
  }
  feed.joiningUntil = now + JOIN_MS;
  return Promise.race([working, scheduler.wait(JOIN_MS)]).then(() => {
    feed.dueAt = dueAfter(x, now);
    feed.joiningUntil = 0;
  });
}

/** Promises are not shared between requests, so those that come meanwhile look again and again. */
async function joined({ feed, now }: Exchange): Promise<void> {
  while (now() < feed.joiningUntil) await scheduler.wait(LOOK_EVERY_MS);
}

async function pulse(x: Exchange): Promise<void> {
  const { settings, listens } = x.origin;
  const { modern, legacy } = knownEras(x);
  const interest: Interest = {
    wantsListen: listens,
    ...(modern !== undefined && { modern }),
    ...(legacy !== undefined && { legacy }),
    ...x.isolate.listening.streams.wantedOf(settings.id, x.now()),
  };
  await tune(x, "pulse", (object, { seq, feedId }) => {
    const { name } = x.feed;
    return object.pulse({ seq, feedId, isolate: name, origin: settings, interest });
  });
  recheckLists(x);
}

function dueAfter({ origin, random }: Exchange, now: number): number {
  return now + origin.pulseMs * (1 - JITTER + 2 * JITTER * random());
}
