import type { OriginSettings } from "../config/replica.ts";
import type { Delta } from "../telemetry/Tally.ts";
import type { News, Since } from "./Feed.ts";
import type { Health, Outcomes } from "./Health.ts";
import type { Vitals } from "./Totals.ts";

/** What an isolate says in a pulse. Plain data: it crosses to `OriginSync`. */
export interface PulseRequest extends Since {
  /** The isolate's own name, random. */
  isolate: string;
  /** How the origin is reached, as the isolate's configuration has it. */
  origin: OriginSettings;
  /** Whether it knows the origin to speak the earlier revisions only. */
  isLegacy?: boolean;
  /** How its calls to the origin ended since the last pulse; absent where it has made none. */
  outcomes?: Outcomes;
  /** What it has counted and not told yet; absent where that is nothing. */
  tally?: Delta;
  /** Absent in what an earlier version of the Worker says. */
  vitals?: Vitals;
}

/** What it hears: the feed, from what it knows on. */
export interface PulseReply extends News {
  /** How the origin is; absent where an object of an earlier version says nothing of it. */
  health?: Health;
}
