import type { OriginSettings } from "../config/replica.ts";
import type { Since } from "./Feed.ts";
import type { Outcomes } from "./Health.ts";
import type { Announcement, Conclusion, PulseReply } from "./Pulse.ts";

/** What an outbox says to its origin's `OriginSync`, and what it knows of the feed. Plain data. */
export interface OutboxWord extends Since {
  /** Impersonal. */
  origin: OriginSettings;
  /** The writes that are about to be sent. */
  announce: readonly Announcement[];
  /** Those that are over. */
  conclude: readonly Conclusion[];
  /** How many queued writes wait for each tag: all of them, or absent where that is as it was. */
  pending?: Readonly<Record<string, number>>;
  /** The ids of operations that callers may want to hear of: those who listen are told. */
  changed: readonly string[];
  /** How its calls to the origin ended since its last word; absent where it has made none. */
  outcomes?: Outcomes;
}

/** What it hears. */
export interface OutboxNews extends PulseReply {
  /** Which of the writes are announced. */
  isAnnounced: string[];
}
