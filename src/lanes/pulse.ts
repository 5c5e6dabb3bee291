import { impersonal } from "../config/originAuth.ts";
import { isOfTenant } from "../config/tenant.ts";
import type { Question } from "../sync/FeedView.ts";
import type { Interest, PulseReply } from "../sync/Pulse.ts";
import { retell } from "./bump.ts";
import { knownEras } from "./eras.ts";
import type { Exchange } from "./Exchange.ts";
import { recheckLists } from "./recheck.ts";
import { tune, type SyncObject } from "./tune.ts";

/** How a pulse is made. */
export interface Pulsing {
  /** Epoch ms. */
  now: number;
  /** How long nothing was heard though it was asked for. */
  lagMs: number;
  /** How long it is waited for, where somebody must not answer before. */
  withinMs?: number;
  /** Whether somebody waits for the origin to tell of what is listened to here. */
  isAwaited?: boolean;
  /** Whether it is made for what a caller of another world has added to the counts. */
  isForCounts?: boolean;
}

/**
 * One call of the origin's `OriginSync`: what this isolate has counted and seen goes up, what it does not know of the
 * feed comes down. What could not be told is told with the next. The answer; `undefined` where there was none.
 */
export async function pulse(
  x: Exchange,
  { now, lagMs, withinMs, isAwaited = false, isForCounts = false }: Pulsing,
): Promise<PulseReply | undefined> {
  const { feed, origin, tally } = x;
  const { health } = feed;
  const { enabled } = x.replica;
  // What is counted, and how calls end, is told in the origin's own world for all worlds.
  const isOwn = !isOfTenant(origin.settings.id);
  const counted = isOwn ? tally.take() : undefined;
  // Where every call is relayed, the origin is neither judged nor listened to.
  const outcomes = isOwn && enabled ? health.take() : undefined;
  const isKnown = !enabled || (!isAwaited && now - feed.interestedAt < origin.pulseMs / 2);
  const interest = isKnown ? undefined : { ...interestOf(x), ...(isAwaited && { isAwaited }) };
  if (interest) feed.interestedAt = now;
  const ask = async (object: SyncObject, { seq, feedId }: Question) => {
    const reply = await object.pulse({
      seq,
      feedId,
      isolate: feed.name,
      origin: impersonal(origin.settings),
      ...(interest && { interest }),
      vitals: { active: tally.active(now - longest(x)), lagMs },
      ...(counted && { tally: counted }),
      ...(outcomes && { outcomes }),
    });
    const { coveredSince: since } = reply;
    if (interest) {
      feed.covered = since === undefined ? undefined : { since, askedAt: now, uris: new Set(interest.uris) };
    }
    return reply;
  };
  const reply = await tune(x, withinMs === undefined ? "pulse" : "check", ask, withinMs);
  if (reply) {
    if (counted) tally.taken(counted);
    retell(x);
    // Nothing is asked for in this world by who is of another.
    if (!isForCounts) recheckLists(x);
  } else if (outcomes) health.giveBack(outcomes);
  return reply;
}

/** What this isolate wants to be told of, and what it knows of how the origin can be listened to: for who asks in between, it need not be said again. */
function interestOf(x: Exchange): Interest {
  const { settings, listens } = x.origin;
  const { modern, legacy } = knownEras(x);
  return {
    wantsListen: listens,
    ...(modern !== undefined && { modern }),
    ...(legacy !== undefined && { legacy }),
    ...x.isolate.listening.streams.wantedOf(settings.id, x.now()),
  };
}

/** How long an operation may take until its answer begins: a fill, and what is asked before it. */
function longest({ origin }: Exchange): number {
  const { firstByteMs, totalMs } = origin.settings;
  return 2 * (firstByteMs + totalMs);
}
