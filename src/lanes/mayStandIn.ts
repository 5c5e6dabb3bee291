import type { Call } from "../mcp/recognise.ts";
import type { OriginFailure } from "../origin/failure.ts";

const STAND_IN: ReadonlySet<OriginFailure["kind"]> = new Set<OriginFailure["kind"]>([
  "unreachable",
  "timeout",
  "status",
  "busy",
  "down",
  "limited",
  "too-many-calls",
  "shed",
  "no-token",
]);

/** Whether the replica did not ask because of who asks, or for what: not because the origin could not be reached. */
export function isRefusedHere({ kind }: OriginFailure): boolean {
  return kind === "limited" || kind === "too-many-calls" || kind === "shed";
}

/**
 * Whether an old answer may be given because of this failure (stale-if-error): the origin cannot be reached, is late, is
 * not well, is left alone or has no room, be it for this caller or for such tools, or there is no token to ask it with. That it refused the replica, or answered with something else, is no reason; but for the
 * answers with which connections are opened, for clients take an odd word there as a sign of another era.
 */
export function mayStandIn({ method }: Pick<Call, "method">, failure: OriginFailure): boolean {
  if (method === "server/discover" || method === "initialize") return true;
  return STAND_IN.has(failure.kind);
}
