import type { OriginSettings } from "../config/replica.ts";
import type { Delta } from "../telemetry/Tally.ts";
import type { ListName } from "../mcp/change.ts";
import type { News, Since } from "./Feed.ts";
import type { Health, Outcomes } from "./Health.ts";
import type { Vitals } from "./Totals.ts";

/** What an isolate says in a pulse. Plain data: it crosses to `OriginSync`. */
export interface PulseRequest extends Since {
  /** The isolate's own name, random. */
  isolate: string;
  /** How the origin is reached, as the isolate's configuration has it. */
  origin: OriginSettings;
  /** How its calls to the origin ended since the last pulse; absent where it has made none. */
  outcomes?: Outcomes;
  /** What it has counted and not told yet; absent where that is nothing. */
  tally?: Delta;
  /** Absent in what an earlier version of the Worker says. */
  vitals?: Vitals;
  /** What it wants to be told of. Absent: as it said before. */
  interest?: Interest;
}

/** What an isolate wants to be told of, and what it knows of how the origin can be listened to. */
export interface Interest {
  /** Whether the operator lets the replica listen at the origin. */
  wantsListen: boolean;
  /** The eras of the origin, as far as the isolate knows them. */
  modern?: boolean;
  legacy?: "none" | "stateless" | "sessions";
  /** The lists that somebody listens to there. */
  lists: ListName[];
  /** The resources; of many, some. */
  uris: string[];
  /** Whether somebody waits for the origin to tell of all this. Then the answer comes when it does, or cannot, or is late. */
  isAwaited?: boolean;
}

/** What it hears: the feed, from what it knows on. */
export interface PulseReply extends News {
  /** How the origin is; absent where an object of an earlier version says nothing of it. */
  health?: Health;
  /** The tags of all writes that are under way; absent where an object of an earlier version knows of none. */
  announced?: string[];
  /** How many queued writes wait to be sent, by the tags that they will invalidate; of very many, as if all were of everything. Absent: none. */
  pending?: Record<string, number>;
  /** What anybody listens to, in any isolate: what changes of it is worth a call. Absent: nothing. */
  listened?: Listened;
  /** Since when the origin tells of all that the isolate wants to be told of, as far as it tells of such things; epoch ms. Absent: it does not yet. */
  coveredSince?: number;
}

/** A write that is about to be sent to the origin, or goes on. */
export interface Announcement {
  /** The write's own, random. */
  id: string;
  tags: readonly string[];
  /** After this without another word of it, the write has lapsed: whatever became of it, its tags are invalidated. */
  lapseMs: number;
}

/** What who announces hears. */
export interface AnnounceReply extends PulseReply {
  /** Whether it is announced: there is room for so many. */
  isAnnounced: boolean;
}

/** How a write has ended. */
export interface Conclusion extends Pick<Announcement, "id" | "tags"> {
  /** Whether it has changed something, or may have. */
  isApplied: boolean;
}

/** What is listened to. */
export interface Listened {
  lists: ListName[];
  /** Whether any resource is. */
  resources: boolean;
}
