import type { Address } from "./key.ts";

/** Tags are cut to this length, here and wherever they are named: two that begin alike then share their invalidations. */
export const MAX_TAG_LENGTH = 512;

/** The lists by their methods. Both of the resources' are told of in one. */
const LISTS: ReadonlyMap<string, string> = new Map([
  ["tools/list", "tools"],
  ["prompts/list", "prompts"],
  ["resources/list", "resources"],
  ["resources/templates/list", "resources"],
]);

/** The tag that every entry of an origin has. */
export const ORIGIN_TAG = "origin";

/** The tag of a list of the protocol's. */
export function listTag(list: string): string {
  return `list:${list}`;
}

/** The tag of the list that a method shows; `undefined` for methods that show none. */
export function listTagOf(method: string): string | undefined {
  const list = LISTS.get(method);
  return list === undefined ? undefined : listTag(list);
}

/** The tag of all answers to a method. */
export function methodTag(method: string): string {
  return `method:${method}`;
}

/** The tag of a prompt. */
export function promptTag(name: string): string {
  return cut(`prompt:${name}`);
}

/** The tag of a resource. */
export function resourceTag(uri: string): string {
  return cut(`resource:${uri}`);
}

/** The tag of a tool's results. */
export function toolTag(name: string): string {
  return cut(`tool:${name}`);
}

/** The tags that an entry has because of where it stands. They are not stored with it. */
export function implicitTags({ method, target }: Pick<Address, "method" | "target">): string[] {
  const tags = [ORIGIN_TAG, methodTag(method)];
  const list = listTagOf(method);
  if (list !== undefined) tags.push(list);
  if (target === null) return tags;
  if (method === "tools/call") tags.push(toolTag(target));
  else if (method === "resources/read") tags.push(resourceTag(target));
  else if (method === "prompts/get") tags.push(promptTag(target));
  return tags;
}

/** A tag, as the feed knows it. */
export function cut(tag: string): string {
  return tag.slice(0, MAX_TAG_LENGTH);
}
