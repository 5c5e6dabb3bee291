import { NOBODY } from "../access/payer.ts";
import { policyOf } from "../config/policy.ts";
import { methodsOf, type Change } from "../mcp/change.ts";
import { candidatesOf } from "./candidates.ts";
import type { Exchange } from "./Exchange.ts";
import { obtain } from "./obtain.ts";
import { callFor, held } from "./recheck.ts";

/**
 * Sees to it that what is kept of a thing is in memory, so that a later change of it is seen. A list that nobody has asked
 * for is asked for now, as who listens to one will hold it; single resources are too many.
 */
export async function lookUp(
  x: Exchange,
  change: Change,
  capabilities: Readonly<Record<string, unknown>>,
  onlyCached: boolean,
): Promise<void> {
  for (const method of methodsOf(change)) {
    const call = callFor(method, change, capabilities);
    const policy = policyOf(x.origin, method, call.target);
    if (policy.kind !== "cache") continue;
    const candidates = candidatesOf(x, call, policy.rule);
    if (!candidates || (await held(x, candidates)) || change.kind !== "list") continue;
    // The replica asks for its own sake.
    await obtain({ ...x, payer: NOBODY }, call, policy.rule, { again: false, onlyCached });
  }
}
