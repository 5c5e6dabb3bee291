import type { Entry } from "../cache/entry.ts";
import { freshness } from "../cache/freshness.ts";
import { S3Fifo } from "../cache/S3Fifo.ts";
import type { OriginFailure } from "./failure.ts";

/** How a call to the origin ended. */
export type Landing =
  /** A result that may be kept, and shared with everyone who waited for it. */
  | { kind: "entry"; entry: Entry; status: number }
  /** An answer that is only for the caller who asked: an error, a tool's failure, a result that nobody promised anything of. */
  | { kind: "reply"; status: number; text: string; why: string }
  /** An answer larger than may be held here: the caller has to be streamed to. */
  | { kind: "too-large" }
  | { kind: "failed"; failure: OriginFailure; retryAfterMs: number };

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
}

/** A call on its way, and the how manieth it is. */
interface Flight {
  landing: Promise<Landing>;
  nth: number;
}

/** Finished results are kept for those who still come: KV remembers for about as long that there was nothing. */
const KEEP_MS = 60_000;
const KEEP_BYTES = 32 * 1_048_576;
/** While it is known that a key's results cannot be shared, nobody waits for anybody. */
const PASS_MS = 10_000;
const FAILED_BASE_MS = 500;
const FAILED_CAP_MS = 10_000;
const REMEMBERED_KEYS = 10_000;

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
  readonly #failed = new S3Fifo<{ failure: OriginFailure; count: number; until: number }>(REMEMBERED_KEYS);
  readonly #passing = new S3Fifo<number>(REMEMBERED_KEYS);
  /** How many flights there have been when those of a group were forgotten. */
  readonly #forgotten = new Map<string, number>();
  #flights = 0;

  constructor(options: FlightOptions) {
    this.#options = options;
  }

  /**
   * Joins the flight of a key, or launches it. `again` asks for an answer that was begun after the asking: it neither
   * joins nor takes what is finished. Flights of a `group` can be forgotten together.
   */
  async board(key: string, again: boolean, launch: () => Promise<Landing>, group = ""): Promise<Boarding> {
    const now = this.#options.now();
    const failed = this.#failed.get(key);
    if (failed && now < failed.until) {
      return { kind: "failed", failure: failed.failure, retryAfterMs: failed.until - now, collapsed: true };
    }
    if (!again) {
      const oldest = this.#forgotten.get(group) ?? 0;
      const finished = this.#finished.get(key);
      if (
        finished &&
        finished.nth > oldest &&
        now < finished.until &&
        freshness(finished.landing.entry, now) === "fresh"
      ) {
        return { ...finished.landing, collapsed: true };
      }
      if ((this.#passing.get(key) ?? 0) > now) return { kind: "pass" };
      const flying = this.#flying.get(key);
      if (flying && flying.nth > oldest) {
        const landing = await flying.landing;
        return landing.kind === "entry" || landing.kind === "failed"
          ? { ...landing, collapsed: true }
          : { kind: "pass" };
      }
    }
    const flight: Flight = { landing: launch(), nth: ++this.#flights };
    this.#flying.set(key, flight);
    try {
      const landing = await flight.landing;
      return { ...this.#remember(key, landing, flight.nth), collapsed: false };
    } finally {
      if (this.#flying.get(key) === flight) this.#flying.delete(key);
    }
  }

  /** What has been brought for a group, or is on its way, is no longer true: nobody joins or takes it from now on. */
  forget(group: string): void {
    this.#forgotten.set(group, this.#flights);
  }

  #remember(key: string, landing: Landing, nth: number): Landing {
    const now = this.#options.now();
    if (landing.kind === "failed") {
      const count = (this.#failed.get(key)?.count ?? 0) + 1;
      // Growing, and spread by half, so that keys that failed together are not tried together.
      const backoff =
        Math.min(FAILED_CAP_MS, FAILED_BASE_MS * 2 ** (count - 1)) * (0.75 + 0.5 * this.#options.random());
      const wait = Math.max(Math.round(backoff), landing.retryAfterMs);
      this.#failed.set(key, { failure: landing.failure, count, until: now + Math.min(wait, FAILED_CAP_MS) }, 1);
      return { ...landing, retryAfterMs: wait };
    }
    this.#failed.delete(key);
    if (landing.kind === "entry") {
      this.#passing.delete(key);
      const bytes = 2 * (landing.entry.body.length + landing.entry.meta.length + key.length);
      this.#finished.set(key, { landing, until: now + KEEP_MS, nth }, bytes);
    } else {
      this.#finished.delete(key);
      this.#passing.set(key, now + PASS_MS, 1);
    }
    return landing;
  }
}
