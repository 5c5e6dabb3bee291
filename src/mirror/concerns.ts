import { above } from "../cache/concerning.ts";
import { listTag, MAX_TAG_LENGTH, methodTag, ORIGIN_TAG, resourceTag, toolTag } from "../cache/implicitTags.ts";
import type { Collection } from "../config/mirror.ts";
import type { Concerns } from "../sync/Mirrors.ts";

/** What a tag says of a collection. */
export type Suspect =
  /** Anything in it may have changed. */
  | "all"
  /** The schemas of its tools may have. */
  | "schemas"
  /** The row with this key, by its parts. `isGuess`: as an answer was wrong, not as the feed has told of it. */
  | { key: string[]; isGuess?: true }
  /** The row that came from this resource. */
  | { uri: string };

/** Tags that are filled from arguments are cut to this length: of a longer one nobody knows how it ended. */
const MAX_FILLED = 256;
/** How a tag ends that was filled from arguments of which one was not there. */
const MISSING = ":-";
/** Stands between the parts of a key. */
const PART_END = "\u001F";

/** The tag of all that is mirrored of a collection. */
export function collectionTag(name: string): string {
  return `collection:${name}`;
}

/** Whether the origin can be asked for single rows of it. */
export function isAskable({ from, row }: Pick<Collection, "from" | "row">): boolean {
  return row !== undefined || from.kind !== "tool";
}

/** What of its origin's feed a collection has to be told of. */
export function concernsOf(collection: Collection): Concerns {
  const names = [...collection.tags.filter(isTemplate), ...rowResource(collection), ...resourcesOf(collection)];
  const beginnings = names.map((one) => one.split(/[{*]/, 1)[0]!);
  return { tags: [...wholeTags(collection), ...schemaTags(collection)], beginnings: [...new Set(beginnings)] };
}

/** What an invalidated tag says of a collection: nothing, where it does not concern it. */
export function suspectsOf(collection: Collection, tag: string): Suspect[] {
  if (wholeTags(collection).includes(tag)) return ["all"];
  if (schemaTags(collection).includes(tag)) return ["schemas"];
  const suspects: Suspect[] = [];
  for (const pattern of resourcesOf(collection)) {
    if (!tag.startsWith(pattern.split(/[{*]/, 1)[0]!)) continue;
    suspects.push(tag.length >= MAX_TAG_LENGTH ? "all" : { uri: tag.slice(resourceTag("").length) });
    break;
  }
  for (const template of collection.tags) {
    const suspect = isTemplate(template) ? keyIn(collection, template, tag) : undefined;
    if (suspect) suspects.push(suspect);
  }
  for (const template of rowResource(collection)) {
    const suspect = keyIn(collection, template, tag);
    if (suspect) suspects.push(decoded(suspect));
  }
  return suspects;
}

/** The tags after which nobody knows which rows have changed. */
function wholeTags(collection: Collection): string[] {
  const { name, from, row, tags, tools } = collection;
  const asked = [...(from.kind === "tool" ? [from.tool] : []), ...(row && "tool" in row ? [row.tool] : []), ...tools];
  const methods =
    from.kind === "tool"
      ? ["tools/call"]
      : ["resources/read", ...(from.kind === "each" ? [] : ["resources/list", "resources/templates/list"])];
  return [
    ORIGIN_TAG,
    collectionTag(name),
    ...asked.map(toolTag),
    ...methods.map(methodTag),
    ...(tools.length > 0 ? [methodTag("tools/call")] : []),
    ...(from.kind === "resources" || from.kind === "mirror" ? [listTag("resources")] : []),
    ...(from.kind === "each" ? [collectionTag(from.each)] : []),
    ...resourcesOf(collection).flatMap(tagsAbove),
    ...tags.filter((tag) => !isTemplate(tag)),
  ];
}

/** The tags after which the tools that are answered from it may take other arguments. */
function schemaTags({ tools }: Collection): string[] {
  return tools.length > 0 ? [listTag("tools")] : [];
}

/** The tags of the resources above all that a pattern or template names. */
function tagsAbove(pattern: string): string[] {
  const [beginning = ""] = pattern.slice(resourceTag("").length).split(/[{*]/, 1);
  return above(beginning).map(resourceTag);
}

/** The tags of the resources that it is made of, as patterns or templates. */
function resourcesOf({ from }: Collection): string[] {
  switch (from.kind) {
    case "tool":
      return [];
    case "resources":
      return [resourceTag(from.pattern)];
    case "each":
      return [resourceTag(from.template)];
    case "mirror":
      return from.patterns.map(resourceTag);
  }
}

/** The tag of the resource by which a row is asked for again, as a template. */
function rowResource({ row }: Collection): string[] {
  return row && "resource" in row ? [resourceTag(row.resource)] : [];
}

/** A key as it is, from how it stands in a URI (RFC 6570). */
function decoded(suspect: Suspect): Suspect {
  if (typeof suspect === "string" || "uri" in suspect) return suspect;
  try {
    return { key: suspect.key.map((part) => decodeURIComponent(part)) };
  } catch {
    return "all";
  }
}

/** Which row a tag names that comes of the template; "all" where it may be any, `undefined` where the tag does not come of it. */
function keyIn({ keyNames, from, row }: Collection, template: string, tag: string): Suspect | undefined {
  const parts = template.split(/\{([^{}]+)\}/);
  const literals = parts.filter((_, at) => at % 2 === 0);
  const names = parts.filter((_, at) => at % 2 === 1);
  const first = capture(literals, tag);
  if (!first) {
    const isCut = tag.length >= MAX_FILLED || tag.endsWith(MISSING);
    return isCut && tag.startsWith(literals[0]!) ? "all" : undefined;
  }
  // Read from its end it says the same, or it can be read in more ways than one.
  const last = captureFromEnd(literals, tag);
  const isClear = first.every((value, at) => value === last?.[at] && value !== "");
  const isWhole = tag.length < MAX_FILLED && !tag.endsWith(MISSING);
  if (!isClear || !isWhole || !isAskable({ from, row }) || keyNames.length === 0) return "all";
  const key = keyNames.map((name) => first[names.indexOf(name)]);
  if (key.includes(undefined)) return "all";
  return key.some((part) => part!.includes(PART_END)) ? undefined : { key: key as string[] };
}

/** What stands between literals, each found as early as it may be. */
function capture(literals: readonly string[], text: string): string[] | undefined {
  const [first, last] = [literals[0]!, literals.at(-1)!];
  const end = text.length - last.length;
  if (!text.startsWith(first) || !text.endsWith(last) || end < first.length) return undefined;
  const found: string[] = [];
  let from = first.length;
  for (const literal of literals.slice(1, -1)) {
    const at = text.indexOf(literal, from);
    if (at < 0 || at + literal.length > end) return undefined;
    found.push(text.slice(from, at));
    from = at + literal.length;
  }
  return [...found, text.slice(from, end)];
}

/** The same, each as late as it may be. */
function captureFromEnd(literals: readonly string[], text: string): string[] | undefined {
  const turned = (one: string) => [...one].toReversed().join("");
  return capture(literals.toReversed().map(turned), turned(text))?.toReversed().map(turned);
}

function isTemplate(tag: string): boolean {
  return /\{[^{}]+\}/.test(tag);
}
