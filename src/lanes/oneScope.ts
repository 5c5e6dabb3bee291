import type { CacheRule } from "../config/replica.ts";
import { isList } from "../mcp/methods.ts";
import type { Call } from "../mcp/recognise.ts";
import { candidatesOf, inKv, inMemory } from "./candidates.ts";
import type { Exchange } from "./Exchange.ts";

/**
 * All pages of a list have one scope (server/utilities/caching): the others are public only where the first page is
 * known to be, whatever the origin calls them.
 */
export async function oneScope(x: Exchange, call: Call, rule: CacheRule): Promise<CacheRule> {
  if (!isList(call.method) || call.variant === undefined || rule.scope !== "origin") return rule;
  const first = candidatesOf(x, { ...call, variant: undefined }, rule);
  if (!first) return rule;
  const page = inMemory(x, first, call.era) ?? (await inKv(x, first, call.era));
  return page?.scope === "public" ? rule : { ...rule, scope: "private" };
}
