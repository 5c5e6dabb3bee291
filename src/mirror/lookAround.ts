import type { MirrorNews } from "../sync/MirrorWord.ts";
import { reasonOf } from "../telemetry/events.ts";
import { concernsOf } from "./concerns.ts";
import type { Held } from "./Held.ts";
import { heed } from "./suspect.ts";

/** How long an origin is left alone that is down, and its `OriginSync`, which cannot be reached. */
const WAIT_MS = { least: 1_000, most: 30_000, object: 5_000 };

/** What looking around came to. */
export interface Looked {
  /** The origin is not to be asked for so long; 0: it may be. */
  waitMs: number;
  /** Whether what the feed has told of could not be heard. */
  isMissed: boolean;
  /** Whether it may pull, where it wants to. */
  hasPlace: boolean;
}

/**
 * Asks the origin's `OriginSync` what it knows: notes what the feed has told of, and says how calls ended; where it
 * `saysInterest`, what the origin is to tell of. `wantsPlace`: it pulls, or is about to.
 */
export async function lookAround(
  held: Held,
  { saysInterest, wantsPlace }: { saysInterest: boolean; wantsPlace: boolean },
): Promise<Looked> {
  const { now, random, tell, report } = held.tools;
  const { name, setup, heard, uris } = held.kept.now!;
  const { origin, collection, eras, listens } = setup;
  const { modern, legacy } = eras;
  const { source } = held.sources;
  const outcomes = source.take();
  const interest = {
    wantsListen: listens,
    ...(modern !== undefined && { modern }),
    ...(legacy !== undefined && { legacy }),
    lists: ["resources" as const],
    uris: [...uris],
  };
  let news: MirrorNews;
  try {
    news = await tell({
      place: { name, ...(origin.region !== undefined && { region: origin.region }) },
      origin,
      concerns: concernsOf(collection),
      seq: heard?.seq ?? 0,
      feedId: heard?.feedId ?? undefined,
      wantsPlace,
      ...(outcomes && { outcomes }),
      ...(saysInterest && { interest }),
    });
  } catch (error) {
    source.giveBack(outcomes);
    report({ type: "sync-failed", operation: "mirror", origin: origin.id, reason: reasonOf(error) });
    return { waitMs: WAIT_MS.object * (0.5 + random()), isMissed: true, hasPlace: false };
  }
  heed(held, news);
  const { hasPlace } = news;
  const { state, retryAt = 0 } = news.health;
  if (state === "up") return { waitMs: 0, isMissed: false, hasPlace };
  const waitMs = Math.min(WAIT_MS.most, Math.max(WAIT_MS.least, retryAt - now()));
  return { waitMs: waitMs * (1 + 0.1 * random()), isMissed: false, hasPlace };
}
