import type { Collection } from "../config/mirror.ts";
import type { OriginSettings } from "../config/replica.ts";

/** Everything that a `MirrorSync` has to know of what it mirrors. Plain data; what is in the definition never changes for one object. */
export interface MirrorSetup {
  /** Impersonal. */
  origin: OriginSettings;
  collection: Collection;
  /** Another collection of the origin, whose rows the templates of this are filled from. */
  each?: Collection;
  /** The names of all collections of the origin: what others were called is not wanted any more. */
  among: readonly string[];
  /** Whether the operator lets the replica listen at the origin. */
  listens: boolean;
  /** What is known of the eras that the origin speaks. */
  eras: { modern?: boolean; legacy?: "none" | "stateless" | "sessions"; version?: string };
}
