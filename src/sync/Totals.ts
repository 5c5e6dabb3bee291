import { noCounts, OTHER, verifiedOf, type Counted, type Counts, type Verified } from "../telemetry/Counted.ts";
import { addHistogram, AGE_MS, DURATION_MS, emptyHistogram, type Histogram } from "../telemetry/Histogram.ts";
import type { Delta } from "../telemetry/Tally.ts";

/** How many names an origin is counted by; isolates know different ones. */
const MAX_NAMES = 1_000;
/** How many isolates are remembered, so that what they say twice is counted once. */
const MAX_ISOLATES = 5_000;
/** An isolate that was not heard for so long is idle, or gone. Longer than the longest pulse. */
const RECENT_MS = 90_000;

/** What is kept of the totals. */
export interface Kept extends Counted {
  /** Since when it was counted, epoch ms. */
  since: number;
  /** How many pulses were taken in. */
  pulses: number;
}

/** What an isolate says of itself in a pulse. */
export interface Vitals {
  /** Operations that go on there. */
  active: number;
  /** For how long what it knows of the feed may have been old, in ms. */
  lagMs: number;
}

/** The isolates that were heard lately: how many, their operations in all, the worst of their lags. */
export interface Isolates extends Vitals {
  count: number;
}

interface Heard extends Partial<Vitals> {
  nth: number;
  /** When its last pulse came, epoch ms; 0 where there was none. */
  at: number;
}

/** What all isolates of an origin have counted. Pure: it is kept elsewhere. Times are epoch ms. */
export class Totals {
  readonly #since: number;
  #pulses: number;
  readonly #operations = new Map<string, Map<string, Counts>>();
  readonly #durations = new Map<string, Histogram>();
  readonly #ages = emptyHistogram(AGE_MS);
  readonly #verified: Verified[] = [];
  readonly #staleness = emptyHistogram(AGE_MS);
  #names = 0;
  #saved = 0;
  #detached = 0;
  #refreshedAt = 0;
  /** The one heard last stands last. */
  readonly #isolates = new Map<string, Heard>();

  /** From what is kept of them, or from nothing at `now`. */
  constructor(kept: Kept | undefined, now: number) {
    this.#since = kept?.since ?? now;
    this.#pulses = kept?.pulses ?? 0;
    if (kept) this.#add(kept);
  }

  /** Takes in what an isolate has counted, unless that is known already. */
  add(isolate: string, { nth, counted }: Delta): void {
    const heard = this.#isolates.get(isolate);
    if (heard && nth <= heard.nth) return;
    this.#hear(isolate, { at: 0, ...heard, nth });
    this.#add(counted);
  }

  /** Takes in what a pulse says besides. */
  pulse(isolate: string, vitals: Vitals, now: number): void {
    this.#pulses++;
    this.#hear(isolate, { nth: this.#isolates.get(isolate)?.nth ?? 0, ...vitals, at: now });
  }

  /** What is to be kept, and shown. */
  get all(): Kept {
    const operations: Counted["operations"] = [];
    for (const [method, byName] of this.#operations) {
      for (const [name, counts] of byName) operations.push({ method, name, counts });
    }
    return {
      since: this.#since,
      pulses: this.#pulses,
      operations,
      durations: [...this.#durations].map(([method, histogram]) => ({ method, histogram })),
      ages: this.#ages,
      saved: this.#saved,
      detached: this.#detached,
      verified: this.#verified,
      staleness: this.#staleness,
      refreshedAt: this.#refreshedAt,
    };
  }

  /** Who was heard lately. */
  isolates(now: number): Isolates {
    const recent = [...this.#isolates.values()].filter(({ at }) => now - at <= RECENT_MS);
    return {
      count: recent.length,
      active: recent.reduce((sum, { active = 0 }) => sum + active, 0),
      lagMs: Math.max(0, ...recent.map(({ lagMs = 0 }) => lagMs)),
    };
  }

  #hear(isolate: string, heard: Heard): void {
    this.#isolates.delete(isolate);
    this.#isolates.set(isolate, heard);
    if (this.#isolates.size <= MAX_ISOLATES) return;
    const [oldest] = this.#isolates.keys();
    this.#isolates.delete(oldest!);
  }

  #add({ operations, durations, ages, saved, detached, verified = [], staleness, refreshedAt }: Counted): void {
    for (const { method, name, counts } of operations) {
      const own = this.#countsOf(method, name);
      for (const result of Object.keys(own) as (keyof Counts)[]) own[result] += counts[result];
    }
    for (const { method, histogram } of durations) {
      const own = this.#durations.get(method) ?? emptyHistogram(DURATION_MS);
      this.#durations.set(method, own);
      addHistogram(own, histogram);
    }
    addHistogram(this.#ages, ages);
    for (const { name, lane, matches, mismatches, staleMs } of verified) {
      const own = verifiedOf(this.#verified, name, lane, MAX_NAMES);
      own.matches += matches;
      own.mismatches += mismatches;
      own.staleMs = Math.max(own.staleMs, staleMs);
    }
    if (staleness) addHistogram(this.#staleness, staleness);
    this.#saved += saved;
    this.#detached += detached;
    this.#refreshedAt = Math.max(this.#refreshedAt, refreshedAt);
  }

  #countsOf(method: string, name: string): Counts {
    const byName = this.#operations.get(method) ?? new Map<string, Counts>();
    this.#operations.set(method, byName);
    // The rest is counted together.
    const isTooMany = !byName.has(name) && name !== "" && name !== OTHER && this.#names >= MAX_NAMES;
    const label = isTooMany ? OTHER : name;
    let counts = byName.get(label);
    if (!counts) {
      byName.set(label, (counts = noCounts()));
      if (label !== "" && label !== OTHER) this.#names++;
    }
    return counts;
  }
}
