import type { OriginFailure } from "./failure.ts";

/** How a call ended, as far as it says something of the origin's health. `reason` says in a word or two why it is not well. */
export type Ending = { ok: true } | { ok: false; reason: string };

/**
 * What a call says of the origin's health; `undefined` where it was not asked, or could not be. It is well if it has
 * answered, whatever it said: a refusal, a limit, a tool's error or what is no MCP is no outage.
 */
export function endingOf(failure?: OriginFailure): Ending | undefined {
  switch (failure?.kind) {
    case "unreachable":
    case "timeout":
      return { ok: false, reason: failure.kind };
    case "status":
      return failure.status >= 500 ? { ok: false, reason: `HTTP ${failure.status}` } : { ok: true };
    case "busy":
    case "misconfigured":
    case "no-token":
    case "not-granted":
    case "token-needed":
    case "down":
    case "limited":
    case "too-many-calls":
    case "shed":
      return undefined;
    case "over-budget":
      // That the operator allows less time than it takes says nothing; that there is more than is allowed, that it answers.
      return failure.of === "time" ? undefined : { ok: true };
    case "refused":
    case "garbage":
    case "asked-back":
    case undefined:
      return { ok: true };
  }
}
