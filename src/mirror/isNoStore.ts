import { parseCacheControl } from "../cache/cacheControl.ts";
import { isObject } from "../mcp/isObject.ts";
import { META_CACHE_CONTROL } from "../mcp/names.ts";

/** Whether the origin says of a result that it must not be kept. */
export function isNoStore({ _meta: meta }: Record<string, unknown>): boolean {
  const hint = isObject(meta) ? meta[META_CACHE_CONTROL] : undefined;
  return typeof hint === "string" && parseCacheControl(hint).has("no-store");
}
