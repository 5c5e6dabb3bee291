/** How an origin is, as `OriginSync` tells it. Times are epoch ms. */
export interface Health {
  /** `down`: its calls failed, and so did a probe. */
  state: "up" | "down";
  /** Since when; where it never changed, since the object began. */
  since: number;
  /** When it is probed next, while it is down. */
  retryAt?: number;
  /** What the last failure was, while it is down: `unreachable`, `timeout`, `HTTP 503`. */
  reason?: string;
}

/** How the calls to an origin ended that an isolate has made since its last pulse. Plain data. */
export interface Outcomes {
  ok: number;
  failed: number;
  /** When the last of those that were well was begun, epoch ms. */
  okAt?: number;
  /** When the last of those that failed was begun, epoch ms. */
  failedAt?: number;
  /** What the last failure was. */
  reason?: string;
}

/** Two reports as one. */
export function together(earlier: Outcomes | undefined, later: Outcomes): Outcomes {
  if (!earlier) return later;
  return { ...earlier, ...later, ok: earlier.ok + later.ok, failed: earlier.failed + later.failed };
}
