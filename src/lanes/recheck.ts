import { policyOf } from "../config/policy.ts";
import { methodsOf, type Change } from "../mcp/change.ts";
import { isObject } from "../mcp/isObject.ts";
import { cacheableMethod } from "../mcp/methods.ts";
import { META_CAPABILITIES } from "../mcp/names.ts";
import type { Call } from "../mcp/recognise.ts";
import { MODERN_VERSION } from "../mcp/versions.ts";
import { candidatesOf, inMemory } from "./candidates.ts";
import type { Exchange } from "./Exchange.ts";
import { obtain } from "./obtain.ts";

/** What a listener asks for at most. Each may take some subrequests. */
const MAX_CALLS = 50;

/**
 * Asks the origin again for what is kept of things that may have changed while nobody heard of it: where they have,
 * that is noted, and listeners are told. What is not kept has no earlier version that anybody could hold on to. How
 * many things were asked for.
 */
export async function recheck(x: Exchange, changes: Iterable<Change>): Promise<number> {
  let asked = 0;
  for (const change of changes) {
    for (const method of methodsOf(change)) {
      const call = callFor(x, method, change);
      const policy = policyOf(x.origin, method, call.target);
      if (policy.kind !== "cache") continue;
      const candidates = candidatesOf(x, call, policy.rule);
      if (!candidates || !inMemory(x, candidates, "modern")) continue;
      if (++asked > MAX_CALLS) return asked;
      await obtain(x, call, policy.rule, { again: true, onlyCached: false });
    }
  }
  return asked;
}

/** The request that the listener would make: the first page of a list, or a read. */
function callFor({ body }: Exchange, method: string, change: Change): Call {
  const params = isObject(body) ? body["params"] : undefined;
  const meta = isObject(params) ? params["_meta"] : undefined;
  const declared = isObject(meta) ? meta[META_CAPABILITIES] : undefined;
  const target = change.kind === "resource" ? change.uri : null;
  return {
    era: "modern",
    version: MODERN_VERSION,
    id: 0,
    method,
    shape: cacheableMethod(method)!,
    target,
    variant: undefined,
    capabilities: isObject(declared) ? declared : {},
    params: target === null ? {} : { uri: target },
    wantsProgress: false,
    cacheControl: undefined,
  };
}
