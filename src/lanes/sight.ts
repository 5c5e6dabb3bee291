import canonicalize from "canonicalize";
import { contentOf } from "../cache/contentOf.ts";
import type { Entry, Position } from "../cache/entry.ts";
import { digest, type Address } from "../cache/key.ts";
import { changeShownBy } from "../mcp/change.ts";
import { toolChanges } from "../mcp/toolChanges.ts";
import type { Seen, Sighting } from "../sync/Sighting.ts";
import { tagOf } from "../sync/Tellings.ts";
import type { Exchange } from "./Exchange.ts";
import { tune } from "./tune.ts";

/** Much may change at about the same time, or all the time: the feed is told at once, and then once more of what came meanwhile. */
const EVERY_MS = 100;
/** How long the next ones wait for those that are about to be told. */
const PATIENCE_MS = 250;
/** The most that are held to be told. */
const MAX_SEEN = 1_000;

/**
 * Tells the origin's feed that something has changed, in the background, so that listeners everywhere learn of it, once.
 * Where the feed cannot be told, those of this isolate do.
 */
export function sight(x: Exchange, seen: Seen): void {
  const { feed } = x;
  if (feed.seen.length >= MAX_SEEN) {
    const reason = "more has changed than can be held";
    x.report({ type: "sync-failed", operation: "sight", origin: x.origin.settings.id, reason });
    return;
  }
  feed.seen.push(seen);
  const now = x.now();
  // Somebody is about to, and takes this along.
  if (feed.seen.length > 1 && now < feed.seeingUntil) return;
  feed.seeingUntil = now + PATIENCE_MS;
  x.waitUntil(tell(x, Math.max(0, feed.seenAt + EVERY_MS - now)));
}

async function tell(x: Exchange, waitMs: number): Promise<void> {
  const { feed, isolate, origin } = x;
  await scheduler.wait(Math.min(EVERY_MS, waitMs));
  feed.seenAt = x.now();
  const seen = feed.seen.splice(0);
  if (seen.length === 0) return;
  const sightings = await Promise.all(seen.map((one) => sightingOf(x, one)));
  let toldAt: number[] = [];
  const isTold = await tune(x, "sight", async (object, { seq, feedId }) => {
    const reply = await object.sight(sightings, { seq, feedId });
    toldAt = reply.toldAt;
    return reply;
  });
  for (const [nth, { address, tag, after }] of seen.entries()) {
    const { principal } = sightings[nth]!;
    // What was told of is this very answer: it need not be asked for again.
    if (isTold && toldAt[nth]) feed.vouch(after, address, tagOf(sightings[nth]!), toldAt[nth]);
    if (!isTold) isolate.listening.changes.add({ originId: origin.settings.id, kind: "told", tag, principal });
  }
}

async function sightingOf(
  { isolate: { listening }, origin }: Exchange,
  { address, tag, before, after }: Seen,
): Promise<Sighting> {
  const { method, target, partition } = address;
  const change = changeShownBy(method, target);
  const [old, now] = await Promise.all([fingerprint(address, before), fingerprint(address, after)]);
  const id = origin.settings.id;
  const replaced = positionOf(before);
  const asked = positionOf(after);
  return {
    tag,
    replacedAt: before.storedAt,
    before: old,
    after: now,
    isListened: change !== undefined && listening.streams.wants(id, change),
    ...(partition.scope === "private" && { principal: partition.principal }),
    ...(replaced && { replaced }),
    ...(asked && { asked }),
    ...(method === "tools/list" && {
      tools: toolChanges(JSON.parse(`{${before.body}}`), JSON.parse(`{${after.body}}`), canonicalize),
    }),
  };
}

function positionOf({ feedId, seq }: Entry): Position | undefined {
  return feedId === undefined || seq === undefined ? undefined : { feedId, seq };
}

/** Equal where the same place says the same. */
function fingerprint({ text }: Address, entry: Entry): Promise<string> {
  return digest(`${text}\n${contentOf(entry)}`);
}
