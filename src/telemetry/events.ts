/** What happens in the replica that an operator may want to know. Core code emits these; it does not log. */
export type ReplicaEvent =
  /** A request to an MCP endpoint was answered. */
  | {
      type: "request";
      origin: string;
      method: string;
      /** The tool, URI or prompt, where the method names one. Never its arguments. */
      name: string | null;
      result: RequestResult;
      /** The HTTP status. */
      status: number;
      /** How old the answer is, where it came from the cache. */
      ageMs?: number;
      durationMs: number;
      correlationId: string;
      /** The error's code, where the replica answered with one. */
      code?: string;
    }
  /** A refresh behind an answer failed; the old entry stays. */
  | {
      type: "refresh-failed";
      origin: string;
      method: string;
      name: string | null;
      reason: string;
      correlationId: string;
    }
  /**
   * An answer that was given from the cache or the mirror is not what the origin says now. `place`: where they first differ,
   * a JSON Pointer into the result. `staleMs`: how old it was, so that the origin has changed it in that time.
   */
  | {
      type: "verify-mismatch";
      origin: string;
      name: string;
      lane: "cache" | "mirror";
      place: string;
      staleMs: number;
      correlationId: string;
    }
  /** A store did not work; the request went on without it. */
  | { type: "store-failed"; operation: "get" | "put" | "delete" | "purge" | "keys"; reason: string }
  /** The Coalescer could not be reached; the origin was asked without it. */
  | { type: "coalescer-failed"; origin: string; reason: string }
  /** The origin's `OriginSync` could not be reached: the isolate goes on with what it knows, and what it had to tell the others it did not. */
  | { type: "sync-failed"; operation: SyncOperation; origin: string; reason: string }
  /** The origin's `Outbox` could not be reached: whether it has taken the operation is not known, unless it is asked once more. */
  | { type: "outbox-unreachable"; origin: string; operation: string; reason: string; correlationId: string }
  /** The isolate has found the origin down, or up again, or has heard so. `reason`: what its last failure was. */
  | { type: "origin-health"; origin: string; state: "up" | "down"; reason: string }
  /** There is no token to ask the origin with. `reason` says what the authorization server did, and nothing secret. */
  | { type: "token-failed"; origin: string; reason: string }
  /** Something that an `OriginSync` had to do at its time failed; it will be tried again. */
  | { type: "duty-failed"; reason: string }
  /** The operator's file allows something that the origin does not call safe. */
  | { type: "policy-warning"; origin: string; name: string; message: string }
  /** Something that the operator has to provide is missing: the replica goes on with less. */
  | { type: "setup-warning"; message: string }
  /** A rate-limit binding did not work: the call was let through. */
  | { type: "limiter-failed"; limiter: string; reason: string }
  /** An operator, or an origin's webhook, did not get what it asked for. */
  | { type: "refused"; endpoint: string; status: number; code: string; correlationId: string }
  /** Somebody was not let in. `reason`: what is wrong with the credential, nothing of it. */
  | { type: "not-let-in"; reason: string; correlationId: string }
  /** The public keys of an issuer of tokens could not be had. Those that are known go on serving for a day. */
  | { type: "issuer-failed"; issuer: string; reason: string }
  /** An operator has made, rotated or revoked an API key. */
  | { type: "key"; done: "create" | "rotate" | "revoke"; id: string }
  /** A collection was pulled, and is not as it was before. */
  | {
      type: "mirror-pulled";
      origin: string;
      collection: string;
      rows: number;
      added: number;
      changed: number;
      removed: number;
      /** Rows written in D1, those of indexes included. */
      written: number;
      durationMs: number;
    }
  /** A collection could not be pulled, or rows of it could not be asked for again: what was there before is kept. */
  | { type: "mirror-failed"; origin: string; collection: string; code: string; reason: string; count: number }
  /** A tool is not answered from a collection any more, as too many of its answers were wrong. */
  | { type: "mirror-stopped"; origin: string; collection: string; tool: string }
  /** A `MirrorSync` could not be reached. */
  | { type: "mirror-unreachable"; origin: string; collection: string; reason: string }
  /** A write waits for the operator: nobody knows whether it was executed, or it was given up. */
  | { type: "outbox-stuck"; origin: string; tool: string; id: string; state: string; reason: string }
  /** An outbox could not write down, or do, what it had to. */
  | { type: "outbox-failed"; origin: string; reason: string }
  /** An `Outbox` could not be reached. */
  | { type: "outbox-unreachable"; origin: string; reason: string }
  /** A defect of the replica. */
  | { type: "defect"; reason: string; correlationId: string };

/** What an `OriginSync` was asked for. */
export type SyncOperation =
  | "pulse"
  | "check"
  | "invalidate"
  | "announce"
  | "conclude"
  | "deliver"
  | "sight"
  | "totals"
  | "mirror"
  | "outbox"
  | "wake";

/** How a request was answered. */
export type RequestResult = "hit" | "stale" | "miss" | "relay" | "local" | "error";

/** Who listens. */
export type Reporter = (event: ReplicaEvent) => void;

/** Nobody listens. Events that would be made for nobody need not be made. */
export const SILENT: Reporter = () => {};

/** The reason in an unknown thrown thing, bounded. */
export function reasonOf(error: unknown): string {
  return (error instanceof Error ? `${error.name}: ${error.message}` : String(error)).slice(0, 200);
}
