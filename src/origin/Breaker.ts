/** What a breaker goes by. Plain data, so that it can be kept. Times are epoch ms. */
export interface BreakerState {
  /** `doubted`: so many calls failed that a probe has to say whether the origin is well. `down`: it is not asked but by probes. */
  condition: "well" | "doubted" | "down";
  /** When it went down, or came up again. */
  since: number;
  /** When the condition changed last. */
  changedAt: number;
  /** When the next probe may be made; while one is under way, when it counts as lost. */
  probeAt: number;
  isProbing: boolean;
  /** How often in a row probes have found it unwell, without its having been well for a while in between. */
  level: number;
}

/** How calls ended. */
export interface Counts {
  ok: number;
  failed: number;
}

const WINDOW_MS = 30_000;
const BUCKET_MS = 1_000;
const MIN_FAILED = 5;
const MIN_SHARE = 0.5;
const BASE_MS = 1_000;
const CAP_MS = 30_000;
const JITTER = 0.2;
const MAX_LEVEL = 10;
/** Well for so long, what was before is forgotten. */
const WELL_MS = 60_000;
/** A probe of which nothing was heard for so long is lost. Longer than one takes. */
const LEASE_MS = 6_000;
/** No probe is ever further away: one that seems to be was planned by a clock that has been set back since. */
const MAX_WAIT_MS = CAP_MS * (1 + JITTER);

/**
 * Whether an origin may be asked, from how its calls end. After 5 failures within 30 s that are half of all calls it is
 * in doubt, and a probe decides at once: where one tool fails, or hangs, nobody is kept from the others. Found unwell, it
 * is left alone for 1 s, 2 s, 4 s, up to 30 s, each time until one probe. Pure: clock and chance are passed in, in epoch
 * ms and from 0 to 1.
 */
export class Breaker {
  #state: BreakerState;
  /** By the number of their second: no more than there are in the window before now, and after. */
  readonly #window = new Map<number, Counts>();

  /** From what is kept of it. A new one is well. */
  constructor(state: Partial<BreakerState> = {}) {
    this.#state = { condition: "well", since: 0, changedAt: 0, probeAt: 0, isProbing: false, level: 0, ...state };
  }

  get state(): Readonly<BreakerState> {
    return this.#state;
  }

  get isWell(): boolean {
    return this.#state.condition === "well";
  }

  /** Takes in how calls ended that were begun at `begunAt` or before. Those of an earlier condition are no news. */
  record({ ok, failed }: Counts, begunAt: number, now: number): void {
    const { changedAt, level } = this.#state;
    if (!this.isWell || (begunAt < changedAt && changedAt <= now)) return;
    const second = Math.floor(now / BUCKET_MS);
    const bucket = this.#window.get(second);
    this.#window.set(second, { ok: ok + (bucket?.ok ?? 0), failed: failed + (bucket?.failed ?? 0) });
    const recent = this.recent(now);
    if (failed === 0 || recent.failed < MIN_FAILED || recent.failed < MIN_SHARE * (recent.ok + recent.failed)) return;
    this.#become("doubted", now, { level: now - changedAt >= WELL_MS ? 0 : level, probeAt: now });
  }

  /** How the calls of the last half minute ended. */
  recent(now: number): Counts {
    const recent = { ok: 0, failed: 0 };
    for (const [second, { ok, failed }] of this.#window) {
      if (Math.abs(now - second * BUCKET_MS) > WINDOW_MS) this.#window.delete(second);
      else {
        recent.ok += ok;
        recent.failed += failed;
      }
    }
    return recent;
  }

  /** Whether the caller is the one to probe now: then nobody else is, until `probed` is told, or the probe is lost. */
  claim(now: number): boolean {
    if (this.isWell || !this.#isDue(now)) return false;
    this.#state = { ...this.#state, isProbing: true, probeAt: now + LEASE_MS };
    return true;
  }

  /** Whether a probe is under way that was begun less than `withinMs` ago. */
  isProbing(now: number, withinMs = LEASE_MS): boolean {
    const { isProbing, probeAt } = this.#state;
    return !this.isWell && isProbing && !this.#isDue(now) && now - (probeAt - LEASE_MS) < withinMs;
  }

  /** Takes in what a probe has found. */
  probed(isWell: boolean, now: number, random: number): void {
    if (isWell) this.close(now);
    else if (!this.isWell) this.#leaveAlone(now, random);
  }

  /** Somebody else has found it unwell, and will probe it at `retryAt`. */
  open(retryAt: number, now: number, random: number): void {
    this.#leaveAlone(now, random, Math.min(retryAt, now + CAP_MS));
  }

  /** It is well. */
  close(now: number): void {
    if (this.isWell) return;
    this.#become("well", now, {});
    this.#window.clear();
  }

  #leaveAlone(now: number, random: number, until = 0): void {
    const level = Math.min(MAX_LEVEL, this.#state.level + 1);
    const ms = Math.min(CAP_MS, BASE_MS * 2 ** (level - 1)) * (1 - JITTER + 2 * JITTER * random);
    this.#become("down", now, { level, probeAt: Math.max(until, now + ms) });
  }

  #become(condition: BreakerState["condition"], now: number, more: Partial<BreakerState>): void {
    const before = this.#state;
    const turned = (before.condition === "down") !== (condition === "down");
    this.#state = {
      ...before,
      ...more,
      condition,
      isProbing: false,
      since: turned ? now : before.since,
      changedAt: before.condition === condition ? before.changedAt : now,
    };
  }

  #isDue(now: number): boolean {
    const { probeAt } = this.#state;
    return now >= probeAt || probeAt - now > MAX_WAIT_MS;
  }
}
