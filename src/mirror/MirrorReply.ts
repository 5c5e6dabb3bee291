import type { Collection } from "../config/mirror.ts";

/** A collection, and the name of its definition (`mirrorName`). */
export interface Mirrored {
  mirrorName: string;
  collection: Collection;
}

/** What the mirror says to a call. */
export type MirrorReply =
  | { kind: "answer"; result: MirrorResult; facts: MirrorFacts }
  /** What the operator has the caller told, as a row is not there. */
  | { kind: "refusal"; result: MirrorResult; facts: MirrorFacts }
  /**
   * Nothing. `not-synced`: what it is made from has not been pulled yet. `not-covered`: the answer may depend on something
   * that the rule does not go by, or is more than is read at once. `not-found`: there is no such row, and no word for that.
   */
  | { kind: "none"; why: "not-synced" | "not-covered" | "not-found" }
  /** The cursor is one of the mirror's, and cannot be gone on from: it is older than what is kept, of another call, or was tampered with. */
  | { kind: "bad-cursor" };

/** The result of the call. */
export interface MirrorResult {
  /** Its members, without braces, in the order `content`, `structuredContent`, `isError`. */
  body: string;
  isError: boolean;
}

/** What is known of the rows that an answer was made from. Of several collections, what is true of all of them. */
export interface MirrorFacts {
  /** Of the collection that the tool is answered from. */
  version: number;
  /** When the origin was asked for it, epoch ms: of the eldest. */
  asOf: number;
  /** The same by collection. */
  asOfs: readonly (readonly [string, number])[];
  /** The origin's feed as it was then, and how far it had told; `null` where none was known, or not the same. */
  feedId: string | null;
  seq: number;
  /** The tools that are not to be answered from it, and since when, epoch ms. */
  stopped: Readonly<Record<string, number>>;
  /** Changes with the schemas of the tools that are answered from it. */
  schemasHash: string;
  /** The collections whose rows it was made from. */
  from: readonly string[];
  /** The keys of the rows in the answer; of a refusal, the one that was looked for. */
  keys: readonly string[];
  /** For an answer by key: the row's JSON, and the resource that it came from. */
  row?: string;
  uri?: string;
}

/** Says that there is nothing, and why. */
export function nothing(why: Extract<MirrorReply, { kind: "none" }>["why"]): MirrorReply {
  return { kind: "none", why };
}
