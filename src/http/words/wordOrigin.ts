import type { OriginFailure } from "../../origin/failure.ts";
import { inBand, limited, type Worded } from "./Worded.ts";

/** What is told of a call that came to nothing at the origin, or on the way there. */
export function wordOrigin(failure: Exclude<OriginFailure, { kind: "token-needed" | "asked-back" }>): Worded {
  switch (failure.kind) {
    case "unreachable":
      return inBand(
        "origin_unavailable",
        "The origin server cannot be reached, and nothing is stored that could answer this. Try again later.",
        1_000,
      );
    case "timeout":
      return inBand(
        "origin_timeout",
        `The origin server did not answer within ${failure.afterMs} ms. Try again later.`,
        1_000,
      );
    case "status": {
      const code = failure.status === 429 ? "origin_rate_limited" : "origin_unavailable";
      return inBand(
        code,
        `The origin server answered with HTTP ${failure.status}, and nothing is stored that could answer this. Try again later.`,
        failure.retryAfterMs || 1_000,
      );
    }
    case "refused":
      return inBand(
        "origin_refused",
        `The origin server refused the credential that the replica showed it (HTTP ${failure.status}). The operator has to mend it.`,
      );
    case "no-token":
      return inBand(
        "origin_unavailable",
        `The origin server cannot be asked, for ${failure.detail}, and nothing is stored that could answer this. Try again later.`,
        failure.retryAfterMs,
      );
    case "not-granted":
      return inBand(
        "origin_not_granted",
        `The origin server is asked in your name, and ${failure.server} gives you no access (${failure.error}). Ask whoever runs it.`,
      );
    case "garbage":
      return inBand("origin_invalid", `The origin server's answer cannot be used: ${failure.detail}.`);
    case "misconfigured":
      return inBand("misconfigured", `The replica is not set up for this origin: ${failure.detail}.`);
    case "busy":
      return inBand(
        "origin_busy",
        "Too many calls are waiting for the origin server. Try again later.",
        failure.retryAfterMs || 1_000,
      );
    case "down":
      return inBand(
        "origin_unavailable",
        "The origin server has failed too often to be asked now, and nothing is stored that could answer this. Try again later.",
        failure.retryAfterMs,
      );
    case "limited":
      return limited("calls that reach the origin server", failure.retryAfterMs);
    case "too-many-calls":
      return inBand(
        "too_many_calls",
        "You have as many calls under way at the origin server as one caller may have. Wait for one to end, and try again.",
        1_000,
      );
    case "shed":
      return inBand(
        "shed",
        "The origin server is in trouble, and this tool is among those that are refused first to spare it. Try again later.",
        failure.retryAfterMs,
      );
    case "over-budget":
      return inBand(
        "over_budget",
        `The answer ${overIn(failure)} allowed for this tool here, and the call was ended. Ask for less at a time. If the tool changes something, whether it has is not known: look before you call it again.`,
      );
  }
}

function overIn({ of, most }: Extract<OriginFailure, { kind: "over-budget" }>): string {
  switch (of) {
    case "bytes":
      return `is larger than the ${most} bytes`;
    case "tokens":
      return `is larger than the ${most} tokens, of about four bytes each,`;
    case "time":
      return `takes longer than the ${most} ms`;
  }
}
