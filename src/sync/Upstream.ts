import type { OriginResponse } from "../origin/callOrigin.ts";

/** What is listened to at the origin: lists by name, resources by URI. */
export interface Covers {
  lists: string[];
  uris: string[];
}

/** A way to listen at an origin, in one of the eras. */
export interface Upstream {
  /** Asks for a stream that tells of all lists, and of these resources. */
  connect: (uris: readonly string[], id: string, signal: AbortSignal) => Promise<OriginResponse>;
  /** Whether a stream that opens is one, without an acknowledgement. */
  opensAcknowledged: boolean;
  /** What of it the origin listens to, now that the stream is open; `honoured` is what it said itself. */
  opened: (uris: readonly string[], honoured: unknown) => Promise<Covers>;
  /** Listens to these resources from now on, on the stream that is open. `undefined` where that takes another stream. */
  turn?: (uris: readonly string[]) => Promise<Covers>;
  /** Answers what the origin asks on the stream. */
  asked?: (question: { id: string | number; method: string }) => void;
  /** Sees to it that what the stream needs is not taken for unused. */
  keep?: () => void;
}
