import { isObject } from "./isObject.ts";
import { META_VERSION } from "./names.ts";

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
