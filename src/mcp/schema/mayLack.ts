import { isObject } from "../isObject.ts";

/** Longer names are nobody's spelling of another. */
const MAX_NAME = 100;

/**
 * Whether a server may take an object all the same that has these keys and lacks the name: it has a default, or is there
 * in another spelling, for many take `user_id` for `userId`, or any letters.
 */
export function mayLack(name: string, keys: readonly string[], properties: unknown): boolean {
  const own = isObject(properties) && Object.hasOwn(properties, name) ? properties[name] : undefined;
  if (isObject(own) && Object.hasOwn(own, "default")) return true;
  const wanted = spelt(name);
  return wanted !== undefined && keys.some((key) => spelt(key) === wanted);
}

function spelt(name: string): string | undefined {
  return name.length > MAX_NAME ? undefined : name.replaceAll(/[_-]/g, "").toLowerCase();
}
