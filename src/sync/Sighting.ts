import type { Entry, Position } from "../cache/entry.ts";
import type { Address } from "../cache/key.ts";
import type { ToolChanges } from "../mcp/toolChanges.ts";
import type { PulseReply } from "./Pulse.ts";

/** An entry that says something else than the one it replaces, as an isolate saw it. */
export interface Seen {
  address: Address;
  /** What it concerns: `list:…` or `resource:…`. */
  tag: string;
  before: Entry;
  after: Entry;
}

/** The same, as `OriginSync` is told. Plain data. */
export interface Sighting {
  tag: string;
  /** Whose answer it is; absent where it is everybody's. Nobody else may learn of it. */
  principal?: string;
  /** The place in the feed of the entry that is replaced; absent where it has none. */
  replaced?: Position;
  /** When that was asked for, epoch ms: it has changed since. */
  replacedAt: number;
  /** The place in the feed of the new one. */
  asked?: Position;
  /** Fingerprints of the two contents. */
  before: string;
  after: string;
  /** Whether somebody listens to it in the isolate. */
  isListened: boolean;
  /** What has changed among the tools, where they are what it shows. */
  tools?: ToolChanges;
}

/** The feed, and of each sighting the seq at which it was told of; 0 where the new entry is older than what was told since. */
export interface SightReply extends PulseReply {
  toldAt: number[];
}
