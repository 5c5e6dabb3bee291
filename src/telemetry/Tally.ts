import { noCounts, OTHER, verifiedOf, type Counted, type Counts, type Verified, type VerifiedLane } from "./Counted.ts";
import type { RequestResult } from "./events.ts";
import { AGE_MS, DURATION_MS, emptyHistogram, observe, type Histogram } from "./Histogram.ts";

/** The methods that are counted by name. Callers choose methods too: all that is not here is `other`. */
const METHODS = [
  "initialize ping server/discover subscriptions/listen completion/complete logging/setLevel",
  "tools/list tools/call prompts/list prompts/get resources/list resources/templates/list resources/read",
  "resources/subscribe resources/unsubscribe tasks/get tasks/result tasks/list tasks/cancel tasks/update",
  `notifications/initialized notifications/cancelled GET DELETE ${OTHER}`,
].flatMap((methods) => methods.split(" "));

/** How many names are counted by themselves. */
const MAX_NAMES = 200;
/** Names are counted by so many characters of them. */
const MAX_LENGTH = 128;
/** How many operations are held as going on. */
const MAX_ACTIVE = 10_000;

/** One operation that was answered. */
export interface Operation {
  method: string | undefined;
  /** The tool, prompt or URI, where it names one. */
  target: string | null;
  result: RequestResult;
  durationMs: number;
  /** How old the answer was, where it is one that is kept. */
  ageMs: number | undefined;
  /** Whether the origin was not called for it. */
  isSaved: boolean;
}

/** An answer that was compared with the origin's. */
export interface Comparison {
  tool: string;
  lane: VerifiedLane;
  /** How old it was, in ms, where it was wrong; `undefined` where it was not. */
  staleMs: number | undefined;
}

/** What was counted, with its number: who takes it in twice counts it once. */
export interface Delta {
  nth: number;
  counted: Counted;
}

interface MethodCounts {
  byName: Map<string, Counts>;
  durations: Histogram;
}

/**
 * What an isolate counts of an origin between two pulses. Bounded whatever callers send. Counting a hit costs two looks
 * into maps and some increments. Times are epoch ms.
 */
export class Tally {
  readonly #labelOf: (method: string, target: string) => string | undefined;
  readonly #methods = new Map(METHODS.map((method) => [method, newMethod()]));
  #names = 0;
  #ages = emptyHistogram(AGE_MS);
  #verified: Verified[] = [];
  #staleness = emptyHistogram(AGE_MS);
  #saved = 0;
  #detached = 0;
  #refreshedAt = 0;
  /** Whether anything was counted since the last look. */
  #isNew = false;
  /** When the operations that go on have begun. */
  readonly #active = new Set<{ at: number }>();
  #nth = 0;
  /** What was handed out, until it is known to have been taken in. */
  #pending: Delta | undefined;

  /** `labelOf` is the name under which a tool, prompt or URI is counted; `undefined` where it may be made up. */
  constructor(labelOf: (method: string, target: string) => string | undefined) {
    this.#labelOf = labelOf;
  }

  /** Counts an operation when its answer begins. */
  count({ method, target, result, durationMs, ageMs, isSaved }: Operation): void {
    const known = method !== undefined && this.#methods.has(method) ? method : OTHER;
    const { byName, durations } = this.#methods.get(known)!;
    (byName.get(target ?? "") ?? this.#countsOf(known, byName, target))[result]++;
    observe(durations, DURATION_MS, durationMs);
    // What has just been fetched has an age as well.
    if (ageMs !== undefined && result !== "miss") observe(this.#ages, AGE_MS, ageMs);
    if (isSaved) this.#saved++;
    this.#isNew = true;
  }

  /** Counts an answer from the cache that is given without news of what was invalidated. */
  countDetached(): void {
    this.#detached++;
    this.#isNew = true;
  }

  /** Counts an answer that was compared with the origin's. */
  countVerified({ tool, lane, staleMs }: Comparison): void {
    const label = this.#labelOf("tools/call", tool)?.slice(0, MAX_LENGTH).toWellFormed() ?? OTHER;
    const counts = verifiedOf(this.#verified, label, lane, MAX_NAMES);
    if (staleMs === undefined) counts.matches++;
    else {
      counts.mismatches++;
      counts.staleMs = Math.max(counts.staleMs, staleMs);
      observe(this.#staleness, AGE_MS, staleMs);
    }
    this.#isNew = true;
  }

  /** An operation begins that will take a while; to be given to `leave`. */
  enter(at: number): { at: number } {
    const operation = { at };
    if (this.#active.size < MAX_ACTIVE) this.#active.add(operation);
    return operation;
  }

  leave(operation: { at: number }): void {
    this.#active.delete(operation);
  }

  /** How many operations go on. Those that began before `since` do not: the runtime drops a request whose caller has gone, and tells nobody. */
  active(since: number): number {
    for (const operation of this.#active) {
      if (operation.at >= since) break;
      this.#active.delete(operation);
    }
    return this.#active.size;
  }

  /** Notes that something is kept that the origin was asked for at that time. */
  refreshed(at: number): void {
    if (at <= this.#refreshedAt) return;
    this.#refreshedAt = at;
    this.#isNew = true;
  }

  /**
   * What is to be told: the same again until it is known to have arrived, for it may have; and what is counted meanwhile
   * after that. `undefined` where there is nothing.
   */
  take(): Delta | undefined {
    if (this.#pending || !this.#isNew) return this.#pending;
    this.#isNew = false;
    this.#pending = { nth: ++this.#nth, counted: this.#cut() };
    return this.#pending;
  }

  /** What has this number was taken in. */
  taken({ nth }: Delta): void {
    if (this.#pending?.nth === nth) this.#pending = undefined;
  }

  /** What was counted so far; counting begins anew. */
  #cut(): Counted {
    const operations: Counted["operations"] = [];
    const durations: Counted["durations"] = [];
    for (const [method, known] of this.#methods) {
      for (const [name, counts] of known.byName) {
        if (!Object.values(counts).some((count) => count > 0)) continue;
        operations.push({ method, name, counts: { ...counts } });
        Object.assign(counts, noCounts());
      }
      if (!known.durations.counts.some((count) => count > 0)) continue;
      durations.push({ method, histogram: known.durations });
      known.durations = emptyHistogram(DURATION_MS);
    }
    const counted = {
      operations,
      durations,
      ages: this.#ages,
      saved: this.#saved,
      detached: this.#detached,
      ...(this.#verified.length > 0 && { verified: this.#verified, staleness: this.#staleness }),
      refreshedAt: this.#refreshedAt,
    };
    if (this.#verified.length > 0) {
      this.#verified = [];
      this.#staleness = emptyHistogram(AGE_MS);
    }
    this.#ages = emptyHistogram(AGE_MS);
    this.#saved = 0;
    this.#detached = 0;
    return counted;
  }

  #countsOf(method: string, byName: Map<string, Counts>, target: string | null): Counts {
    const names = method === "tools/call" || method === "prompts/get" || method === "resources/read";
    // What else is called a name in a request is none.
    let label = "";
    // What has no form in UTF-8 would be written alike: two series of one name.
    if (names)
      label = ((target !== null && this.#labelOf(method, target)) || OTHER).slice(0, MAX_LENGTH).toWellFormed();
    let counts = byName.get(label);
    if (!counts && names && label !== OTHER && this.#names++ >= MAX_NAMES) {
      this.#names = MAX_NAMES;
      label = OTHER;
      counts = byName.get(label);
    }
    if (!counts) byName.set(label, (counts = noCounts()));
    return counts;
  }
}

function newMethod(): MethodCounts {
  return { byName: new Map(), durations: emptyHistogram(DURATION_MS) };
}
