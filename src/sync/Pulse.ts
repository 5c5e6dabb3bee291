import type { OriginSettings } from "../config/replica.ts";
import type { Delta } from "../telemetry/Tally.ts";
import type { News, Since } from "./Feed.ts";
import type { Vitals } from "./Totals.ts";

/** What an isolate says in a pulse. Plain data: it crosses to `OriginSync`. */
export interface PulseRequest extends Since {
  /** The isolate's own name, random. */
  isolate: string;
  /** How the origin is reached, as the isolate's configuration has it. */
  origin: OriginSettings;
  /** What it has counted and not told yet; absent where that is nothing. */
  tally?: Delta;
  /** Absent in what an earlier version of the Worker says. */
  vitals?: Vitals;
}

/** What it hears: the feed, from what it knows on. */
export interface PulseReply extends News {}
