import type { Entry } from "./entry.ts";

/** How eager: at 1, those who come at random times wait least in all for what lapses (Vattani et al., VLDB 2015). */
const BETA = 1;

/** At so many times what a refresh takes, no random number leads to one: -ln of the smallest is 36.7. */
const FAR = 37 * BETA;

/**
 * Whether one who meets a fresh entry refreshes it before it lapses: the likelier, the nearer its end is and the longer a
 * refresh takes, so that somebody does in time, and hardly ever many do (XFetch). In the first half of its life nobody
 * does: an origin that takes about as long as its answers last would be asked without end. `remainingMs` is what remains
 * of the ttl; `random` gives 0 to 1, and is asked only where that matters. Pure.
 */
export function isEarly(
  { ttlMs, tookMs }: Pick<Entry, "ttlMs" | "tookMs">,
  remainingMs: number,
  random: () => number,
): boolean {
  if (tookMs === undefined || remainingMs >= tookMs * FAR || remainingMs > ttlMs / 2) return false;
  // 0 may be drawn and 1 may not, and 0 has no logarithm.
  return tookMs * BETA * -Math.log(1 - random()) >= remainingMs;
}
