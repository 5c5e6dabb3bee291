import type { Position } from "../cache/entry.ts";
import { freshness } from "../cache/freshness.ts";
import { S3Fifo } from "../cache/S3Fifo.ts";
import type { Era } from "../mcp/versions.ts";
import type { OriginFailure } from "./failure.ts";
import type { Landing } from "./Landing.ts";

/** What a caller gets. */
export type Boarding =
  | (Landing & { collapsed: boolean })
  /** Results of this key are not shared at present: go by yourself. */
  | { kind: "pass" };

/** What the flights of one Coalescer need to know. */
export interface FlightOptions {
  /** Epoch ms. */
  now: () => number;
  /** 0 to 1. */
  random: () => number;
  /** Gets each result that holds: not one that another overtook, or that was forgotten meanwhile. */
  kept: (landing: Extract<Landing, { kind: "entry" }>) => void;
}

/** What a passenger knows of the origin's feed. */
export interface Known extends Position {
  /** The seq of the latest invalidation that concerns the answer: what knows less may not be the answer. */
  needed: number;
}

/** Who boards. */
export interface Passenger {
  key: string;
  /** Wants an answer that was begun after the asking: neither takes what is finished nor joins what has begun. */
  again: boolean;
  /** The two eras have one answer to a key, where it fits both, but ways of their own to fail. */
  era: Era;
  /** Flights of a group can be forgotten together. */
  group: string;
  /** Wants an answer that was asked for later than this, epoch ms. */
  newerThan?: number;
  /** For whom the call is counted, where it is: what keeps one from calling says nothing of the others. */
  payer?: string;
  /** Absent for who knows of no feed, and so of no invalidation. */
  known?: Known;
  /** Names the passenger who may leave. Those without one stay to the end. */
  ticket?: string;
}

/** What a launch gets. */
export interface Tower {
  /** To be called when the origin is asked. */
  begin: () => void;
  /** Aborted when nobody waits any more. */
  abandoned: AbortSignal;
}

/** A call on its way. */
interface Flight {
  landing: Promise<Landing>;
  /** The how manieth it is. */
  nth: number;
  era: Era;
  /** What was known of the feed at its launch. */
  known: Known | undefined;
  payer: string | undefined;
  /** Whether the origin has been asked. Until then even those who want a new answer may join. */
  begun: boolean;
  /** Who may leave, of those who wait. */
  aboard: Set<string>;
  /** Whether somebody waits who does not leave. */
  hasStayers: boolean;
  controller: AbortController;
}

/** Finished results are kept for those who still come: KV remembers for about as long that there was nothing. */
const KEEP_MS = 60_000;
const KEEP_BYTES = 32 * 1_048_576;
/** While it is known that a key's results cannot be shared, nobody waits for anybody. */
const PASS_MS = 10_000;
const FAILED_BASE_MS = 500;
const FAILED_CAP_MS = 10_000;
const REMEMBERED_KEYS = 10_000;
/** What the words of failures may take, in characters; each has as many to itself as an S3Fifo lets one have. */
const FAILED_LENGTH = 4 * 1_048_576;
/** What one takes without any. */
const FAILURE_LENGTH = FAILED_LENGTH / REMEMBERED_KEYS;

/**
 * One call to the origin for all who ask for the same at the same time. Knows no origin and no clock of its own:
 * `launch` makes the call.
 */
export class Flights {
  readonly #options: FlightOptions;
  readonly #flying = new Map<string, Flight>();
  readonly #finished = new S3Fifo<{ landing: Extract<Landing, { kind: "entry" }>; until: number; nth: number }>(
    KEEP_BYTES,
  );
  readonly #failed = new S3Fifo<{ failure: OriginFailure; count: number; until: number; nth: number }>(FAILED_LENGTH);
  readonly #passing = new S3Fifo<number>(REMEMBERED_KEYS);
  /** The latest flight of a key that brought an answer, kept or not: an older one that lands after it is not news. */
  readonly #settled = new S3Fifo<number>(REMEMBERED_KEYS);
  /** How many flights there have been when those of a group were forgotten. */
  readonly #forgotten = new Map<string, number>();
  #flights = 0;

  constructor(options: FlightOptions) {
    this.#options = options;
  }

  /** Joins the flight of a key, or launches it. */
  async board(passenger: Passenger, launch: (tower: Tower) => Promise<Landing>): Promise<Boarding> {
    const { key, again, era, group, known, payer, newerThan = Number.NEGATIVE_INFINITY } = passenger;
    const now = this.#options.now();
    const oldest = this.#forgotten.get(group) ?? 0;
    const failed = this.#failed.get(failureKey(passenger));
    // Who has a group forgotten has heard from the origin since: that it failed before is no reason to rest.
    if (failed && failed.nth > oldest && now < failed.until) {
      return { kind: "failed", failure: failed.failure, retryAfterMs: failed.until - now, collapsed: true };
    }
    if (!again) {
      const finished = this.#finished.get(key);
      const isCurrent =
        finished &&
        finished.nth > oldest &&
        now < finished.until &&
        finished.landing.entry.storedAt > newerThan &&
        knowsEnough(finished.landing.entry, known);
      if (isCurrent && fits(finished.landing, era) && freshness(finished.landing.entry, now) === "fresh") {
        return { ...finished.landing, collapsed: true };
      }
      if ((this.#passing.get(failureKey(passenger)) ?? 0) > now) return { kind: "pass" };
    }
    const flying = this.#flying.get(key);
    if (flying && flying.nth > oldest && (!again || !flying.begun) && knowsEnough(flying.known, known)) {
      enter(flying, passenger);
      const landing = await flying.landing;
      // It was never asked. The first of those whom that does not concern asks for the others.
      if (isLimited(landing) && flying.payer !== payer) return this.board(passenger, launch);
      if (fits(landing, era)) return { ...landing, collapsed: true };
      // What the other era met with says nothing of what this one would.
      if (flying.era === era) return landing.kind === "failed" ? { ...landing, collapsed: true } : { kind: "pass" };
    }
    const flight: Flight = {
      landing: undefined as never,
      nth: ++this.#flights,
      era,
      known,
      payer,
      begun: false,
      aboard: new Set(),
      hasStayers: false,
      controller: new AbortController(),
    };
    enter(flight, passenger);
    flight.landing = launch({ begin: () => (flight.begun = true), abandoned: flight.controller.signal });
    this.#flying.set(key, flight);
    try {
      const landing = await flight.landing;
      // That nobody waited to the end says nothing of the origin.
      if (flight.controller.signal.aborted) return { ...landing, collapsed: false };
      return { ...this.#remember(passenger, landing, flight), collapsed: false };
    } finally {
      if (this.#flying.get(key) === flight) this.#flying.delete(key);
    }
  }

  /** A passenger waits no more. A flight that nobody waits for is called off, and joined by nobody. */
  leave(key: string, ticket: string): void {
    const flight = this.#flying.get(key);
    if (!flight?.aboard.delete(ticket) || flight.aboard.size > 0 || flight.hasStayers) return;
    this.#flying.delete(key);
    flight.controller.abort();
  }

  /** What has been brought for a group, or is on its way, is no longer true: nobody joins or takes it from now on. */
  forget(group: string): void {
    this.#forgotten.set(group, this.#flights);
  }

  #remember(passenger: Passenger, landing: Landing, { nth }: Flight): Landing {
    const { key, group } = passenger;
    const now = this.#options.now();
    const mine = failureKey(passenger);
    if (landing.kind === "failed") {
      // That there was no room, or that one had asked too often, says nothing of the origin, nor of the key.
      if (landing.failure.kind === "busy" || landing.failure.kind === "shed" || isLimited(landing)) return landing;
      const count = (this.#failed.get(mine)?.count ?? 0) + 1;
      // Growing, and spread by half, so that keys that failed together are not tried together.
      const backoff =
        Math.min(FAILED_CAP_MS, FAILED_BASE_MS * 2 ** (count - 1)) * (0.75 + 0.5 * this.#options.random());
      const wait = Math.max(Math.round(backoff), landing.retryAfterMs);
      const until = now + Math.min(wait, FAILED_CAP_MS);
      this.#failed.set(
        mine,
        { failure: landing.failure, count, until, nth },
        FAILURE_LENGTH + wordsOf(landing.failure),
      );
      return { ...landing, retryAfterMs: wait };
    }
    this.#failed.delete(mine);
    const overtaken = nth < (this.#settled.get(key) ?? 0) || nth <= (this.#forgotten.get(group) ?? 0);
    if (!overtaken) this.#settled.set(key, nth, 1);
    if (landing.kind === "entry") {
      this.#passing.delete(mine);
      if (overtaken) return landing;
      this.#options.kept(landing);
      const bytes = 2 * (landing.entry.body.length + landing.entry.meta.length + key.length);
      this.#finished.set(key, { landing, until: now + KEEP_MS, nth }, bytes);
    } else {
      if (!overtaken) this.#finished.delete(key);
      this.#passing.set(mine, now + PASS_MS, 1);
    }
    return landing;
  }
}

function enter(flight: Flight, { ticket }: Passenger): void {
  if (ticket === undefined) flight.hasStayers = true;
  else flight.aboard.add(ticket);
}

/** Whether its payer was kept from calling. */
function isLimited(landing: Landing): boolean {
  return landing.kind === "failed" && landing.failure.kind === "limited";
}

/** Whether what was launched then saw every invalidation that a passenger knows to concern it. */
function knowsEnough(then: Partial<Position> | undefined, known: Known | undefined): boolean {
  return !known || (then?.feedId === known.feedId && (then.seq ?? -1) >= known.needed);
}

/** Whether a landing is an answer for callers of the era. */
function fits(landing: Landing, era: Era): landing is Extract<Landing, { kind: "entry" }> {
  return landing.kind === "entry" && (landing.entry.only === undefined || landing.entry.only === era);
}

/** How many characters an origin has said beside its failure. */
function wordsOf(failure: OriginFailure): number {
  return failure.kind === "status" ? (failure.reply?.length ?? 0) : 0;
}

function failureKey({ key, era }: Passenger): string {
  return `${key} ${era}`;
}
