import type { Entry } from "./entry.ts";
import { cut, implicitTags, listTagOf, resourceTag } from "./implicitTags.ts";
import type { Address } from "./key.ts";
import { ownTag } from "./ownTag.ts";

/** How many resources above one are looked at. */
const MAX_ABOVE = 16;
/** What ends the name of a resource that lies above another. */
const ENDS = /[/?#]/g;

/** Where an answer stands, as far as its tags depend on it. */
export type Place = Pick<Address, "method" | "target"> & Partial<Pick<Address, "partition">>;

/**
 * All tags by which an answer may be invalidated: those that it carries, those that it has because of where it stands, those
 * of the resources above the one that was read, and, where it is private, what its principal alone was told of.
 */
export function concerning(place: Place, tags: readonly string[], scope: Entry["scope"]): string[] {
  const { method, target, partition } = place;
  const all = [...implicitTags(place), ...tags.map(cut)];
  if (method === "resources/read" && target !== null) for (const uri of above(target)) all.push(resourceTag(uri));
  const own = subjectTag(method, target);
  if (scope === "private" && partition?.scope === "private" && own !== undefined)
    all.push(ownTag(partition.principal, own));
  return all;
}

/** The tag of what listeners can be told has changed when another answer comes; `undefined` where there is nothing to tell. */
export function subjectTag(method: string, target: string | null): string | undefined {
  if (method === "resources/read") return target === null ? undefined : resourceTag(target);
  return listTagOf(method);
}

/** The names that a resource's begins with, up to a `/`, `?` or `#`: the longest of them first. */
export function above(uri: string): string[] {
  const names = new Set<string>();
  const begins = uri.indexOf("://") + 3;
  for (const { index } of uri.matchAll(ENDS)) {
    // With the slash and without it are two names, of which either may be meant.
    if (index >= begins && index > 0) names.add(uri.slice(0, index));
    if (index >= begins && index < uri.length - 1 && uri[index] === "/") names.add(uri.slice(0, index + 1));
  }
  return [...names].reverse().slice(0, MAX_ABOVE);
}

/** Whether a resource lies below another. */
export function isBelow(uri: string, other: string): boolean {
  return uri.length > other.length && uri.startsWith(other) && above(uri).includes(other);
}
