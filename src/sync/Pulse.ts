import type { OriginSettings } from "../config/replica.ts";
import type { ListName } from "../mcp/change.ts";
import type { News, Since } from "./Feed.ts";

/** What an isolate says in a pulse. Plain data: it crosses to `OriginSync`. */
export interface PulseRequest extends Since {
  /** The isolate's own name, random. */
  isolate: string;
  /** How the origin is reached, as the isolate's configuration has it. */
  origin: OriginSettings;
  /** What it wants to be told of. Absent: nothing. */
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
}

/** What it hears: the feed, from what it knows on. */
export interface PulseReply extends News {
  /** What anybody listens to, in any isolate: what changes of it is worth a call. Absent: nothing. */
  listened?: Listened;
}

/** What is listened to. */
export interface Listened {
  lists: ListName[];
  /** Whether any resource is. */
  resources: boolean;
}
