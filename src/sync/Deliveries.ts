import { TokenBucket, type Rate } from "../access/TokenBucket.ts";
import type { PulseReply } from "./Pulse.ts";

/** What an origin's webhook delivers. Plain data: it crosses to `OriginSync`. */
export interface Delivery {
  /** The sender's own name for it, the same when it is sent again. */
  id: string;
  /** Until when its signature is taken, epoch ms. */
  until: number;
  tags: readonly string[];
  hard: boolean;
}

/** What becomes of a delivery. */
export type Taken =
  | { taken: "new" }
  /** It has been heeded before. */
  | { taken: "duplicate" }
  /** There were too many: it may come again after so many ms. */
  | { taken: "refused"; retryAfterMs: number };

/** What a sender hears, with what has changed in the feed. */
export interface DeliveryReply extends PulseReply {
  delivery: Taken;
}

/** How many there may be of one origin. */
const RATE: Rate = { burst: 60, perSecond: 1 };

/** How many are remembered: more than the rate allows in the time that one is valid. */
const CAPACITY = 10_000;

/** What an isolate's clock may be behind the object's, in ms. */
const SKEW_MS = 60_000;

/**
 * The deliveries of an origin's webhook, in the storage of a Durable Object: each is heeded once. It is remembered until
 * its signature would not be taken any more; where there are too many to remember, none is taken.
 */
export class Deliveries {
  readonly #sql: SqlStorage;
  readonly #capacity: number;
  readonly #bucket: TokenBucket;

  constructor(sql: SqlStorage, { rate = RATE, capacity = CAPACITY } = {}) {
    this.#sql = sql;
    this.#capacity = capacity;
    this.#bucket = new TokenBucket(rate);
    sql.exec("CREATE TABLE IF NOT EXISTS delivery (id TEXT PRIMARY KEY, until INTEGER NOT NULL) STRICT");
    sql.exec("CREATE INDEX IF NOT EXISTS delivery_until ON delivery (until)");
  }

  /** Takes a delivery, where it is new and there is room. `now` is epoch ms. */
  take({ id, until }: Pick<Delivery, "id" | "until">, now: number): Taken {
    this.#sql.exec("DELETE FROM delivery WHERE until < ?", now);
    const last = until + SKEW_MS;
    const isKnown = this.#sql.exec("SELECT 1 FROM delivery WHERE id = ?", id).toArray().length > 0;
    if (isKnown) {
      // Sent again, it is signed anew: it must not be new once the first signature has lapsed.
      this.#sql.exec("UPDATE delivery SET until = ? WHERE id = ? AND until < ?", last, id, last);
      return { taken: "duplicate" };
    }
    const [oldest] = this.#sql.exec<{ until: number }>(
      "SELECT until FROM delivery ORDER BY until DESC LIMIT 1 OFFSET ?",
      this.#capacity - 1,
    );
    const retryAfterMs = oldest ? oldest.until + 1 - now : this.#bucket.take(now);
    if (retryAfterMs > 0) return { taken: "refused", retryAfterMs };
    this.#sql.exec("INSERT INTO delivery (id, until) VALUES (?, ?)", id, last);
    return { taken: "new" };
  }
}
