import type { Entry } from "../cache/entry.ts";
import type { Address } from "../cache/key.ts";
import type { Unstorable } from "../cache/neutralise.ts";
import type { OriginFailure } from "./failure.ts";

/** How a call to the origin ended. */
export type Landing =
  /** A result that may be kept, and shared with everyone who waited for it. */
  | { kind: "entry"; entry: Entry; status: number; saving?: Saving }
  /** An answer that is only for the caller who asked: an error, a tool's failure, a result that nobody promised anything of. `declined` is what the origin wanted to ask a client for on the way, and could not. */
  | {
      kind: "reply";
      status: number;
      text: string;
      why: Unstorable | "scope" | "declined";
      declined?: readonly string[];
    }
  /** An answer larger than may be held here: the caller has to be streamed to. */
  | { kind: "too-large" }
  | { kind: "failed"; failure: OriginFailure; retryAfterMs: number };

/** What has to be written to KV for an entry, and removed. */
export interface Saving {
  address: Address;
  entry: Entry;
  /** Where what it replaces stands. */
  replaced?: Address;
  /** The public entries of the method have to go. */
  demotes: boolean;
}
