import type { KeptCount } from "../../cache/KeptCount.ts";
import type { MirrorStatus } from "../../mirror/MirrorStatus.ts";
import type { OutboxStatus } from "../../outbox/OutboxStatus.ts";
import type { OriginTotals } from "../../sync/OriginTotals.ts";
import type { Counted, Verified } from "../../telemetry/Counted.ts";

/** How an origin stands. Times are epoch ms. */
export interface OriginStatus {
  /** What it speaks, as far as it has shown. */
  eras: { modern?: boolean; legacy?: "none" | "stateless" | "sessions"; version?: string } | null;
  /** Its `OriginSync`: whether it could be asked. While it cannot, what it knows is absent. */
  sync: { up: true } | { up: false; reason: string };
  health?: OriginTotals["health"];
  feed?: OriginTotals["feed"];
  listen?: OriginTotals["listen"];
  /** The tools that changed lately, the newest first. */
  toolChanges?: OriginTotals["toolChanges"];
  /** When the origin was last asked for something that was then kept; `null` where it never was. */
  refreshedAt?: number | null;
  /** The isolates that were heard lately. */
  isolates?: OriginTotals["isolates"];
  /** How what is mirrored of it stands. Absent in what an earlier version of the Worker says. */
  mirror?: MirrorStatus[];
  /** The collections whose `MirrorSync` could not be asked, and why. */
  mirrorDown?: Record<string, string>;
  /** How its outbox stands, or why that cannot be said; absent where it has none. Those of its tenants are not counted in. */
  outbox?: OutboxStatus | { reason: string };
  /** What is stored, or why that cannot be said. */
  entries: KeptCount | { reason: string };
  counted?: {
    since: number;
    pulses: number;
    /** Operations that were answered without a call to the origin of their own. */
    callsSaved: number;
    /** What came of comparing answers with the origin's, by tool and where they came from. Times in ms. Absent in what an earlier version of the Worker says. */
    verified?: Verified[];
    /** By method and name, the most frequent first. `hitRatio`: of them, those that were answered from the cache; 0 to 1. */
    operations: (Counted["operations"][number] & { total: number; hitRatio: number })[];
  };
}
