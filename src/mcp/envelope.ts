import { isObject } from "./isObject.ts";
import { META_VERSION } from "./names.ts";
import { LEGACY_VERSIONS, type Era } from "./versions.ts";

/** The `_meta` of a message's `params`, where it has one. */
export function metaOf(message: unknown): Readonly<Record<string, unknown>> | undefined {
  const params = isObject(message) ? message["params"] : undefined;
  const meta = isObject(params) ? params["_meta"] : undefined;
  return isObject(meta) ? meta : undefined;
}

/** Whether a message is one of the modern revision: its envelope says so, whatever the headers do. */
export function isModern(message: unknown): boolean {
  const meta = metaOf(message);
  return meta !== undefined && Object.hasOwn(meta, META_VERSION);
}

/** The era whose rules a request is judged by: a header that names no earlier revision claims the modern one, also where the envelope is missing. */
export function eraClaimed(message: unknown, headers: Headers): Era {
  const isLater = (headers.get("mcp-protocol-version") ?? "") > LEGACY_VERSIONS[0]!;
  return isModern(message) || isLater ? "modern" : "legacy";
}
