import type { Entry } from "../cache/entry.ts";
import type { CacheRule } from "../config/replica.ts";
import type { Call } from "../mcp/recognise.ts";
import { reasonOf } from "../telemetry/events.ts";
import { barred } from "./barred.ts";
import { candidatesOf, type Candidates } from "./candidates.ts";
import { oneScope } from "./oneScope.ts";
import type { Exchange } from "./Exchange.ts";
import { fill } from "./fill.ts";

/**
 * Refreshes an entry after its answer has gone out; once per isolate at a time. A failed refresh leaves the entry as it
 * is. `again`: the origin is asked anew, whatever others have just got.
 */
export function refreshBehind(
  x: Exchange,
  call: Call,
  rule: CacheRule,
  candidates: Candidates,
  entry: Entry,
  again = false,
): void {
  const address = candidates[entry.scope];
  const { memory } = x.isolate;
  const { settings } = x.origin;
  // Nothing would come of it.
  if (barred(x, false)) return;
  if (!address || !memory.claimRefresh(address, x.now(), x.now() + settings.firstByteMs + settings.totalMs)) return;
  const failed = (reason: string) =>
    x.report({
      type: "refresh-failed",
      origin: settings.id,
      method: call.method,
      name: call.target,
      reason,
      correlationId: x.trace.correlationId,
    });
  const work = async () => {
    try {
      const narrowed = await oneScope(x, call, rule);
      const where = narrowed === rule ? candidates : candidatesOf(x, call, narrowed)!;
      // What others have brought meanwhile will do; this very one, where it is not stale yet, would not.
      const options = { again, newerThan: entry.storedAt, previous: entry, behind: true };
      const filled = await fill(x, call, narrowed, where, options);
      if (filled.kind === "failed") failed(filled.failure.kind);
    } catch (error) {
      failed(reasonOf(error));
    } finally {
      memory.releaseRefresh(address);
    }
  };
  x.waitUntil(work());
}
