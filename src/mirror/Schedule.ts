/** When a collection is pulled. Plain data, so that it can be kept. Times are epoch ms. */
export interface ScheduleState {
  /** When the next pull begins; `null` where none is planned. */
  nextAt: number | null;
  /** How many have failed since the last one that came to its end. */
  failures: number;
  /** When the last one came to its end, and how long it took. */
  endedAt: number;
  tookMs: number;
  /** Whether, since the one under way began, another was asked for; and whether that one was. */
  isWanted: boolean;
  wasWanted: boolean;
}

/** What came of a pull. */
interface Ended {
  everyMs: number;
  startedAt: number;
  now: number;
  /** 0 to 1. */
  random: number;
}

interface Failed extends Omit<Ended, "startedAt"> {
  /** How long it took, where all of it was in vain. */
  tookMs: number;
  /** It is not to be tried again before. */
  retryAfterMs?: number;
}

const JITTER = 0.1;
/** What is told within this is one reason for a pull. */
const DEBOUNCE_MS = 1_000;
const BACKOFF_BASE_MS = 1_000;
/** For that much of the time that a pull takes there is none, whatever is told: else a collection that changes all the time would be pulled all the time. */
const REST = 3;
/** No origin's word puts a pull off for longer. */
const MAX_WAIT_MS = 86_400_000;

/** When the next pull is due: regularly, soon after news, and after failures less and less often. Pure: clock and chance are passed in. */
export class Schedule {
  #state: ScheduleState;

  /** From what is kept of it. In a new one nothing is planned. */
  constructor(
    state: ScheduleState = { nextAt: null, failures: 0, endedAt: 0, tookMs: 0, isWanted: false, wasWanted: false },
  ) {
    this.#state = state;
  }

  get state(): Readonly<ScheduleState> {
    return this.#state;
  }

  get nextAt(): number | null {
    return this.#state.nextAt;
  }

  /** Plans the first pull, or the first after a time without: at once, or when what there is has grown old. */
  start(dueAt: number): void {
    this.#state = { ...this.#state, nextAt: this.#state.nextAt ?? dueAt };
  }

  /** Plans nothing any more. What is wanted is wanted still. */
  stop(): void {
    this.#state = { ...this.#state, nextAt: null };
  }

  /** Somebody wants one now, whatever happened before. */
  wantNow(now: number): void {
    this.#state = { ...this.#state, nextAt: now, isWanted: true };
  }

  /** There is news that only a pull can bring. After a failure it waits as every other. */
  wantSoon(everyMs: number, now: number): void {
    const { nextAt, failures } = this.#state;
    const soon = this.#soon(everyMs, now);
    this.#state = {
      ...this.#state,
      isWanted: true,
      nextAt: nextAt === null || failures === 0 ? least(nextAt, soon) : nextAt,
    };
  }

  /** One has begun: what was wanted before, it brings. */
  began(): void {
    this.#state = { ...this.#state, isWanted: false, wasWanted: this.#state.isWanted };
  }

  /** It is given up: what it was to bring, it has not brought. */
  gaveUp(): void {
    const { isWanted, wasWanted } = this.#state;
    this.#state = { ...this.#state, isWanted: isWanted || wasWanted, wasWanted: false };
  }

  /** It has come to its end. */
  succeeded({ everyMs, startedAt, now, random }: Ended): void {
    const tookMs = Math.max(0, now - startedAt);
    this.#state = { ...this.#state, failures: 0, endedAt: now, tookMs, wasWanted: false };
    const regular = now + everyMs * (1 - JITTER + 2 * JITTER * random);
    this.#state.nextAt = this.#state.isWanted ? Math.min(regular, this.#soon(everyMs, now)) : regular;
  }

  /** It has failed. */
  failed({ everyMs, tookMs, now, random, retryAfterMs = 0 }: Failed): void {
    const failures = this.#state.failures + 1;
    const most = Math.min(everyMs, BACKOFF_BASE_MS * 2 ** Math.min(failures, 30));
    const waitMs = BACKOFF_BASE_MS + random * Math.max(0, most - BACKOFF_BASE_MS);
    const restMs = Math.min(everyMs, REST * tookMs);
    const nextAt = now + Math.max(waitMs, restMs, Math.min(retryAfterMs, MAX_WAIT_MS));
    this.#state = { ...this.#state, failures, nextAt };
  }

  #soon(everyMs: number, now: number): number {
    const { endedAt, tookMs } = this.#state;
    return Math.max(now + DEBOUNCE_MS, Math.min(endedAt + REST * tookMs, now + everyMs));
  }
}

function least(one: number | null, other: number): number {
  return one === null ? other : Math.min(one, other);
}
