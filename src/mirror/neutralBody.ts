import { parseCacheControl } from "../cache/cacheControl.ts";
import { isNeutral, resultMembers } from "../cache/resultMembers.ts";
import { isObject } from "../mcp/isObject.ts";
import { META_CACHE_CONTROL } from "../mcp/names.ts";

/**
 * The members of a reply's result in neutral form, as in `Entry.body`, without those named. `undefined` where it must not
 * be kept, or nobody can tell what it says.
 */
export function neutralBody(reply: string, result: Record<string, unknown>, without?: string): string | undefined {
  const { _meta: meta } = result;
  const hint = isObject(meta) ? meta[META_CACHE_CONTROL] : undefined;
  if (typeof hint === "string" && parseCacheControl(hint).has("no-store")) return undefined;
  return resultMembers(reply)
    ?.filter(({ key }) => key !== without && isNeutral(key, true))
    .map(({ start, end }) => reply.slice(start, end))
    .join(",");
}
