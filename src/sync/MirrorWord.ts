import type { OriginSettings } from "../config/replica.ts";
import type { News, Since } from "./Feed.ts";
import type { Health, Outcomes } from "./Health.ts";
import type { Concerns, MirrorPlace } from "./Mirrors.ts";
import type { Interest } from "./Pulse.ts";

/** What a mirror says to its origin's `OriginSync`, and what it knows of the feed. Plain data. */
export interface MirrorWord extends Since {
  place: MirrorPlace;
  /** Impersonal. */
  origin: OriginSettings;
  /** What it is to be told of, as long as it is heard of. */
  concerns: Concerns;
  /** How its calls to the origin ended since its last word; absent where it has made none. */
  outcomes?: Outcomes;
  /** Whether it pulls, or is about to. */
  wantsPlace: boolean;
  /** What the origin is to tell of; absent: nothing, or as it said before. */
  interest?: Interest;
}

/** What it hears. */
export interface MirrorNews extends News {
  health: Health;
  /** Whether it may pull now: not too many others do. False, too, where it does not want to. */
  hasPlace: boolean;
}
