import { isObject } from "./isObject.ts";
import { LOG_LEVELS } from "./logLevels.ts";
import { META_CAPABILITIES, META_CLIENT_INFO, META_LOG_LEVEL } from "./names.ts";

/**
 * Whether what the protocol itself puts into a request's `_meta` is of its types (basic, `_meta`). Servers refuse anything
 * else, so it is not for a cache to answer, though the answer would not depend on it.
 */
export function isSoundMeta(meta: Readonly<Record<string, unknown>>): boolean {
  const token = meta["progressToken"];
  if (token !== undefined && typeof token !== "string" && !Number.isSafeInteger(token)) return false;
  const level = meta[META_LOG_LEVEL];
  if (level !== undefined && !LOG_LEVELS.includes(level)) return false;
  const client = meta[META_CLIENT_INFO];
  if (client !== undefined) {
    if (!isObject(client) || typeof client["name"] !== "string" || typeof client["version"] !== "string") return false;
  }
  const declared = meta[META_CAPABILITIES];
  if (isObject(declared)) for (const name in declared) if (!isObject(declared[name])) return false;
  return true;
}
