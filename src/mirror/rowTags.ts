import { above } from "../cache/concerning.ts";
import { listTag, resourceTag, toolTag } from "../cache/implicitTags.ts";
import { expandTags } from "../cache/tags.ts";
import { mayCoincide, spanOfPattern, spansOfTemplate, type Span } from "../config/coincide.ts";
import type { Collection } from "../config/mirror.ts";
import { collectionTag } from "./concerns.ts";
import { KEY_SEPARATOR } from "./rowOf.ts";

/** Tags that were filled from arguments may have been cut at this length, so that nothing is known of how they end. */
const MAX_FILLED = 256;

/** The tags of whatever is answered from a collection: invalidated, all of it may be another. */
export function tagsOfCollection({ name, from }: Pick<Collection, "name" | "from">): string[] {
  const tags = [collectionTag(name)];
  if (from.kind === "tool") tags.push(toolTag(from.tool));
  else tags.push(from.kind === "each" ? collectionTag(from.each) : listTag("resources"));
  return tags;
}

/** The tags of one row. */
export function tagsOfRow({ tags }: Pick<Collection, "tags">, row: unknown, uri: string | null): string[] {
  const own = expandTags(tags, row);
  return uri === null ? own : [...own, resourceTag(uri), ...above(uri).map(resourceTag)];
}

/** The tags that a row with this key would have, as far as there is no row; `undefined` where the key does not say. */
export function tagsOfKey(
  { tags, from, keyNames }: Pick<Collection, "tags" | "from" | "keyNames">,
  key: string,
): string[] | undefined {
  // What it would come from, nobody knows.
  if (from.kind !== "tool") return undefined;
  const parts = key.split(KEY_SEPARATOR);
  const named = new Set(keyNames);
  const isSaid = tags.every((tag) => [...tag.matchAll(/\{([^{}]+)\}/g)].every(([, name]) => named.has(name!)));
  if (!isSaid || parts.length !== keyNames.length) return undefined;
  return expandTags(tags, Object.fromEntries(keyNames.map((name, nth) => [name, parts[nth]])));
}

/** Whether a tag may be that of some row: where that cannot be excluded, it may. */
export function mayBeOfRow({ tags, from }: Pick<Collection, "tags" | "from">): (tag: string) => boolean {
  const resources = resourceSpans(from);
  const spans = [...tags.flatMap(spansOfTemplate), ...resources];
  const begins = spans.map(({ prefix }) => ({ prefix, suffix: "", isOne: false }));
  const isAbove = (tag: string) => resources.some(({ prefix }) => prefix.startsWith(tag)) && tag.startsWith(RESOURCE);
  return (tag) =>
    mayCoincide([{ prefix: tag, suffix: tag, isOne: true }], tag.length < MAX_FILLED ? spans : begins) || isAbove(tag);
}

const RESOURCE = resourceTag("");

function resourceSpans(from: Collection["from"]): Span[] {
  switch (from.kind) {
    case "tool":
      return [];
    case "resources":
      return [spanOfPattern(RESOURCE, from.pattern)];
    case "each":
      return spansOfTemplate(RESOURCE + from.template);
    case "mirror":
      return from.patterns.map((pattern) => spanOfPattern(RESOURCE, pattern));
  }
}
