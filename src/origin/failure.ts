/** Why the origin gave no answer that can be used. Plain data: it crosses from the Durable Objects. */
export type OriginFailure =
  /** No connection, or it broke. The platform does not tell which. */
  | { kind: "unreachable" }
  /** No first byte, or not all of a fill, in time. */
  | { kind: "timeout"; afterMs: number }
  /** 5xx or 429. `reply` is the body, where it is a JSON-RPC response. */
  | { kind: "status"; status: number; retryAfterMs?: number; reply?: string }
  /** The credential that the origin was shown was refused. */
  | { kind: "refused"; status: number }
  /** It was not asked, for there is no token to ask it with at present: `detail` says why. */
  | { kind: "no-token"; detail: string; retryAfterMs: number }
  /** The caller, in whose name it was to be asked, may not: `server` says who says so, `error` in what word. */
  | { kind: "not-granted"; server: string; error: string }
  /** It was not asked, for it is asked with the caller's own token, and the caller came without one. */
  | { kind: "token-needed" }
  /** Not MCP: no JSON, another id, a redirect, a stream that ended early. `status` is there where it was a 4xx. */
  | { kind: "garbage"; detail: string; status?: number }
  /** It asked something of the client in the middle of a call, was told that nobody can be asked, and said nothing more. */
  | { kind: "asked-back" }
  /** A secret or binding that the configuration names is not there. */
  | { kind: "misconfigured"; detail: string }
  /** Too many calls at once, or tried and failed a moment ago. */
  | { kind: "busy"; retryAfterMs: number }
  /** It has failed so often that it is not asked at present. */
  | { kind: "down"; retryAfterMs: number }
  /** Not asked: the caller has had as many calls as it may for now. */
  | { kind: "limited"; retryAfterMs: number }
  /** Not asked: the caller has as many calls under way as it may. */
  | { kind: "too-many-calls" }
  /** Not asked: the origin is in trouble, and the tool is one of those that are refused first. */
  | { kind: "shed"; retryAfterMs: number }
  /** The answer is larger than the operator allows, or takes longer; `most` in bytes, tokens or ms. */
  | { kind: "over-budget"; of: "bytes" | "tokens" | "time"; most: number };

/** The HTTP status that the origin gave with the failure, where it gave one. */
export function statusOf(failure: OriginFailure): number | undefined {
  return failure.kind === "status" || failure.kind === "refused" ? failure.status : undefined;
}
