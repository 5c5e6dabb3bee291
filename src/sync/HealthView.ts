import { Breaker } from "../origin/Breaker.ts";
import type { Ending } from "../origin/endingOf.ts";
import { together, type Health, type Outcomes } from "./Health.ts";

/** After a call that found no room the origin counts as crowded for so long. */
const CROWDED_MS = 10_000;

/**
 * What an isolate knows of an origin's health: from its own calls, so that it reacts at once and while detached, and from
 * what `OriginSync` says. Of the two the later counts. Plain data, shared between requests. Times are epoch ms.
 */
export class HealthView {
  readonly breaker = new Breaker();
  #reason = "unknown";
  #crowdedUntil = 0;
  #outcomes: Outcomes | undefined;
  /** Of the latest that was heard. */
  #heardSince = 0;

  /** `down` where calls are known to be in vain: not while that is in doubt. */
  get state(): Health["state"] {
    return this.breaker.state.condition === "down" ? "down" : "up";
  }

  /** A call has found no room at it. */
  crowded(now: number): void {
    this.#crowdedUntil = now + CROWDED_MS;
  }

  /** For how long it counts as one that has no room; 0 where it has. */
  crowdedMs(now: number): number {
    return Math.max(0, Math.min(CROWDED_MS, this.#crowdedUntil - now));
  }

  /** What the last failure was. */
  get reason(): string {
    return this.#reason;
  }

  /** Takes in how a call ended. */
  record(ending: Ending, begunAt: number, now: number): void {
    this.#note(ending, begunAt);
    const counts = ending.ok ? { ok: 1, failed: 0 } : { ok: 0, failed: 1 };
    this.breaker.record(counts, begunAt, now);
  }

  /** Takes in how a probe ended. One that could not be made is no reason to leave the origin alone. */
  probed(ending: Ending | undefined, begunAt: number, now: number, random: number): void {
    if (ending) this.#note(ending, begunAt);
    this.breaker.probed(ending?.ok ?? true, now, random);
  }

  /** What has not been reported yet, for a report; `undefined` where that is nothing. */
  take(): Outcomes | undefined {
    const outcomes = this.#outcomes;
    this.#outcomes = undefined;
    return outcomes;
  }

  /** Puts back what could not be reported. */
  giveBack(outcomes: Outcomes): void {
    this.#outcomes = this.#outcomes ? together(outcomes, this.#outcomes) : outcomes;
  }

  /** Takes in what `OriginSync` says. What is older than what is known is no news. */
  hear(health: Health | undefined, now: number, random: number): void {
    if (!health || health.since <= this.#heardSince) return;
    this.#heardSince = health.since;
    if (health.since <= this.breaker.state.changedAt) return;
    if (health.state === "up") this.breaker.close(now);
    else if (this.state === "up") {
      this.#reason = health.reason ?? this.#reason;
      this.breaker.open(health.retryAt ?? now, now, random);
    }
  }

  #note(ending: Ending, begunAt: number): void {
    if (!ending.ok) this.#reason = ending.reason;
    const own: Outcomes = ending.ok
      ? { ok: 1, failed: 0, okAt: begunAt }
      : { ok: 0, failed: 1, failedAt: begunAt, reason: ending.reason };
    this.#outcomes = together(this.#outcomes, own);
  }
}
