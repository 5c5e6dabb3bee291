/** What happened to a request in the cache, for the `Cache-Status` header. */
export type CacheOutcome =
  /** `detached`: without news of what was invalidated. */
  | { kind: "hit"; ttlMs: number; detail?: "memory" | "kv" | "mirror"; detached?: true }
  /** Answered with an old entry after the origin failed; `status` is its HTTP status, where it gave one. */
  | { kind: "stale-if-error"; ttlMs: number; status?: number; detached?: true }
  | {
      kind: "forward";
      why: "uri-miss" | "stale" | "request" | "bypass";
      status?: number;
      stored?: boolean;
      collapsed?: boolean;
      /** Answered with what became of the same call before, under the caller's key. */
      detail?: "replay";
    };

/** The header's value (RFC 9211; `detached` is a parameter of ours). The key is left out: it would tell callers of each other. */
export function cacheStatus(outcome: CacheOutcome): string {
  switch (outcome.kind) {
    case "hit":
      return `edge-replica; hit; ttl=${seconds(outcome.ttlMs)}${outcome.detail ? `; detail=${outcome.detail}` : ""}${detached(outcome)}`;
    case "stale-if-error":
      return `edge-replica; fwd=stale${status(outcome)}; ttl=${seconds(outcome.ttlMs)}; detail=stale-if-error${detached(outcome)}`;
    case "forward": {
      const flags = `${outcome.stored ? "; stored" : ""}${outcome.collapsed ? "; collapsed" : ""}${outcome.detail ? `; detail=${outcome.detail}` : ""}`;
      return `edge-replica; fwd=${outcome.why}${status(outcome)}${flags}`;
    }
  }
}

function status(outcome: { status?: number }): string {
  return outcome.status === undefined ? "" : `; fwd-status=${outcome.status}`;
}

function detached(outcome: { detached?: true }): string {
  return outcome.detached ? "; detached" : "";
}

function seconds(ms: number): number {
  return Math.floor(ms / 1_000);
}
