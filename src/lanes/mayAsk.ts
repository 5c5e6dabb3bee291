import type { ToolBounds } from "../config/replica.ts";
import type { OriginFailure } from "../origin/failure.ts";
import { barred } from "./barred.ts";
import type { Exchange } from "./Exchange.ts";

/**
 * As `barred`, for a call of what these bounds are for: while the origin is in doubt or down, or has had no room a moment
 * ago, what is expensive is refused first, and waits for nothing. So where any call is refused for the load on the origin,
 * none of those is let through from here.
 */
export function mayAsk(
  x: Exchange,
  bounds: ToolBounds | undefined,
  isPatient: boolean,
): OriginFailure | undefined | Promise<OriginFailure | undefined> {
  if (!bounds?.isExpensive || !x.replica.enabled) return barred(x, isPatient);
  // It sees to it that an origin in doubt is probed, too, and does not wait where it is not asked to.
  const down = barred(x, false) as OriginFailure | undefined;
  const retryAfterMs = down?.kind === "down" ? down.retryAfterMs : x.feed.health.crowdedMs(x.now());
  return retryAfterMs > 0 ? { kind: "shed", retryAfterMs } : undefined;
}
