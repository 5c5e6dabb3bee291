import type { OriginSettings } from "../config/replica.ts";
import type { OriginFailure } from "./failure.ts";

/** A session at the origin that the calls of one principal share. Plain data: it crosses between objects. */
export interface PooledSession {
  /** Tells it from those before and after it: an origin that has been started anew may give out the same ids again. */
  serial: string;
  /** The origin's own id, a secret; absent where it has come to open none. */
  id?: string;
  /** The protocol version that was agreed on. */
  version: string;
}

/** Asks for the session of a principal. Plain data. */
export interface PoolRequest {
  origin: OriginSettings;
  /** Names whose session it is, with which configuration of the origin. */
  name: string;
  /** The serial of one that was found to be over, or only may be. */
  over?: { serial: string; isDoubtful: boolean };
}

/** The session, and whether it has been opened for the asking; or why there is none. */
export type PoolReply = { session: PooledSession; isNew?: true } | { failure: OriginFailure };
