import { impersonal } from "../config/originAuth.ts";
import { endingOf } from "../origin/endingOf.ts";
import type { OriginFailure } from "../origin/failure.ts";
import { probeOrigin } from "../origin/probeOrigin.ts";
import type { Exchange } from "./Exchange.ts";
import { knownEras, lacks } from "./eras.ts";
import { noteHealth } from "./noteHealth.ts";

/** How long after its beginning those who have nothing else to answer wait for a probe: after that it is hardly a good one. */
const PATIENCE_MS = 1_000;
const LOOK_EVERY_MS = 20;

/**
 * Why the origin is not asked now; `undefined` where it may be. While it is down, or in doubt, who comes when a probe is
 * due has one made, in the background: a read, never the caller's own request. `isPatient` waits for one that is under
 * way, for its first second: for those who have no old answer.
 *
 * Every call to an origin goes by this but for those that are none of a caller's, are few, and end of themselves: what
 * ends a session or a call that was begun, the rest of an answer that broke off, upstream listening (which backs off by
 * itself), and `/readyz`, which probes. With `enabled: false` every call is relayed, whatever became of those before.
 */
export function barred(
  x: Exchange,
  isPatient: boolean,
): OriginFailure | undefined | Promise<OriginFailure | undefined> {
  const { breaker } = x.feed.health;
  if (breaker.isWell || !x.replica.enabled) return undefined;
  if (breaker.claim(x.now())) x.waitUntil(probe(x));
  return isPatient && breaker.isProbing(x.now(), PATIENCE_MS) ? waited(x) : why(x);
}

async function waited(x: Exchange): Promise<OriginFailure | undefined> {
  const { breaker } = x.feed.health;
  // Promises are not shared between requests, so those who wait look again and again.
  while (breaker.isProbing(x.now(), PATIENCE_MS)) await scheduler.wait(LOOK_EVERY_MS);
  return why(x);
}

function why(x: Exchange): OriginFailure | undefined {
  const { breaker } = x.feed.health;
  if (breaker.isWell) return undefined;
  return { kind: "down", retryAfterMs: Math.max(1_000, Math.ceil(breaker.state.probeAt - x.now())) };
}

async function probe(x: Exchange): Promise<void> {
  const begunAt = x.now();
  const isLegacy = lacks(knownEras(x), "modern");
  // In nobody's name: that one caller is given no token says nothing of the origin, which all are to know about.
  const bindings = x.env as unknown as Record<string, unknown>;
  const failure = await probeOrigin(impersonal(x.origin.settings), bindings, { isLegacy });
  noteHealth(x, (health) => health.probed(endingOf(failure), begunAt, x.now(), x.random()));
}
