import type { CacheOutcome } from "../cache/cacheStatus.ts";
import type { Entry } from "../cache/entry.ts";
import type { CacheWord } from "../cache/tell.ts";
import type { AnswerRule, Collection } from "../config/mirror.ts";
import type { TargetPolicy } from "../config/replica.ts";
import type { Failure } from "./Exchange.ts";

/** From what a call may be answered. */
export type Aim =
  /** By a tool's rule. */
  | { kind: "tool"; rule: AnswerRule; policy: TargetPolicy }
  /** A resource, or a page of a list of them. */
  | { kind: "resource"; collection: Collection; row: "read" | "list" | "templates" };

/** What came of looking into the mirror. */
export type Found = FoundAnswer | { failure: Failure };

/** An answer that the mirror has. */
export interface FoundAnswer {
  entry: Entry;
  /** Of a tool: the keys of the rows that it is made from; of a refusal, the one that was looked for. */
  keys?: readonly string[];
  /** Of a tool: whether the feed has nothing against it. That may change. */
  isSound?: () => boolean;
}

/** What the mirror has for a call. */
export type Mirrored =
  | {
      kind: "entry";
      /** Where the origin need not be asked first. Else it stands in for an origin that fails. */
      isGiven: boolean;
      entry: Entry;
      word: CacheWord;
      outcome: CacheOutcome;
      /** When it was looked at, epoch ms. */
      at: number;
    }
  | { kind: "failure"; failure: Failure };
