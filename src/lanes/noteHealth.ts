import { endingOf } from "../origin/endingOf.ts";
import { ownId } from "../config/tenant.ts";
import type { OriginFailure } from "../origin/failure.ts";
import type { HealthView } from "../sync/HealthView.ts";
import type { Exchange } from "./Exchange.ts";

/** Has something taken in of the origin's health, and reports it where that is up now, or down. */
export function noteHealth(x: Exchange, take: (health: HealthView) => void): void {
  const { health } = x.feed;
  const before = health.state;
  take(health);
  const { state, reason } = health;
  if (state !== before) x.report({ type: "origin-health", origin: ownId(x.origin.settings.id), state, reason });
}

/** Takes in how a call ended that was begun at `begunAt` (epoch ms): with a failure, or else well. */
export function noteEnding(x: Exchange, begunAt: number, failure?: OriginFailure): void {
  const ending = endingOf(failure);
  if (ending) noteHealth(x, (health) => health.record(ending, begunAt, x.now()));
}
