import type { OriginSettings } from "../config/replica.ts";
import { Breaker, type BreakerState, type Counts } from "../origin/Breaker.ts";
import type { Ending } from "../origin/endingOf.ts";
import type { Duty } from "./Alarm.ts";
import type { Health } from "./Health.ts";
import type { PulseRequest } from "./Pulse.ts";

/** Without pulses for this long nobody wants to know how the origin is, and it is not probed. */
const QUIET_MS = 120_000;

/** What the health of an origin needs to know. Clock and chance are passed in. */
export interface HealthTools {
  sql: SqlStorage;
  /** Epoch ms. */
  now: () => number;
  /** 0 to 1. */
  random: () => number;
  /** Probes the origin, in the era that it speaks. How that ended; `undefined` where it could not be made. */
  probe: (origin: OriginSettings, isLegacy: boolean) => Promise<Ending | undefined>;
}

interface Kept {
  breaker: BreakerState;
  reason?: string;
  /** How the origin is reached, as the last pulse said. */
  origin?: OriginSettings;
  isLegacy?: boolean;
  /** When the last pulse came, epoch ms. */
  pulsedAt: number;
}

/**
 * An origin's health in the storage of a Durable Object, from what all isolates say of their calls. While it is down it is
 * probed, as long as there are isolates that want to know. What is kept changes with the condition and with each probe,
 * not with each pulse: an object that begins anew has forgotten only the calls of the last half minute.
 */
export class KeptHealth implements Duty {
  readonly #tools: HealthTools;
  readonly #breaker: Breaker;
  #kept: Omit<Kept, "breaker">;

  constructor(tools: HealthTools) {
    this.#tools = tools;
    const { sql } = tools;
    sql.exec(
      "CREATE TABLE IF NOT EXISTS health (only INTEGER PRIMARY KEY CHECK (only = 1), state TEXT NOT NULL) STRICT",
    );
    const row = sql.exec<{ state: string }>("SELECT state FROM health").toArray()[0];
    const { breaker, ...kept } = row
      ? (JSON.parse(row.state) as Kept)
      : { breaker: { since: tools.now() }, pulsedAt: 0 };
    this.#breaker = new Breaker(breaker);
    this.#kept = kept;
    if (!row) this.#keep();
  }

  /** Takes in a pulse: how an isolate's calls ended, if it has made any, and how it reaches the origin. */
  pulsed({ origin, interest, outcomes }: Pick<PulseRequest, "origin" | "interest" | "outcomes">): void {
    const { now } = this.#tools;
    this.#kept = {
      ...this.#kept,
      origin,
      isLegacy: interest ? interest.modern === false : this.#kept.isLegacy,
      pulsedAt: now(),
    };
    if (!outcomes) return;
    const { ok, failed, okAt = 0, failedAt = 0, reason } = outcomes;
    const before = this.#breaker.state;
    this.#breaker.record({ ok, failed: 0 }, okAt, now());
    if (failed > 0) {
      this.#kept.reason = reason ?? "unknown";
      this.#breaker.record({ ok: 0, failed }, failedAt, now());
    }
    if (this.#breaker.state !== before) this.#keep();
  }

  /** How the origin is, for isolates. */
  published(): Health {
    const { condition, since, probeAt } = this.#breaker.state;
    if (condition !== "down") return { state: "up", since };
    const { reason } = this.#kept;
    return { state: "down", since, retryAt: probeAt, ...(reason !== undefined && { reason }) };
  }

  /** How it is, and how the calls of the last half minute ended, as far as isolates have said. */
  health(): Health & Counts {
    return { ...this.published(), ...this.#breaker.recent(this.#tools.now()) };
  }

  dueAt(): number | undefined {
    const { probeAt } = this.#breaker.state;
    const isWanted = !this.#breaker.isWell && probeAt <= this.#kept.pulsedAt + QUIET_MS;
    return isWanted ? probeAt : undefined;
  }

  async run(): Promise<void> {
    const { now, random, probe } = this.#tools;
    const { origin, isLegacy = false } = this.#kept;
    if (!origin || !this.#breaker.claim(now())) return;
    this.#keep();
    const ending = (await probe(origin, isLegacy)) ?? { ok: true };
    if (!ending.ok) this.#kept.reason = ending.reason;
    this.#breaker.probed(ending.ok, now(), random());
    this.#keep();
  }

  #keep(): void {
    const state = JSON.stringify({ ...this.#kept, breaker: this.#breaker.state } satisfies Kept);
    this.#tools.sql.exec("INSERT OR REPLACE INTO health (only, state) VALUES (1, ?)", state);
  }
}
