import { concerning } from "../cache/concerning.ts";
import type { Entry } from "../cache/entry.ts";
import type { Call } from "../mcp/recognise.ts";
import type { Exchange, Failure } from "./Exchange.ts";

/** How many queued writes are about to change what an entry says; 0 where none is. */
export function pendingOn(
  { feed: { pending } }: Exchange,
  { method, target }: Pick<Call, "method" | "target">,
  { tags, pendingWrites = 0 }: Pick<Entry, "tags" | "pendingWrites">,
): number {
  return Math.max(pendingWrites, ...concerning({ method, target }, tags, "public").map((tag) => pending.get(tag) ?? 0));
}

/** Why what is kept is not given while so many queued writes are about to change it; `undefined` where the operator lets it be given. */
export function pendingRefusal(
  { origin, feed, now }: Exchange,
  { method, target }: Pick<Call, "method" | "target">,
  count: number,
): Failure | undefined {
  if (count === 0 || target === null) return undefined;
  const { tools, resources, prompts, pulseMs } = origin;
  const tables = { "tools/call": tools, "resources/read": resources, "prompts/get": prompts };
  const table = tables[method as keyof typeof tables] as (typeof tables)["tools/call"] | undefined;
  if (!table?.find(target)?.value.refusesPending) return undefined;
  // While the origin is down they wait for it; else what becomes of them is heard with a pulse.
  const { condition, probeAt } = feed.health.breaker.state;
  const untilMs = condition === "down" ? Math.ceil(probeAt - now()) : pulseMs;
  return { kind: "pending-writes", count, retryAfterMs: Math.max(1_000, untilMs) };
}
