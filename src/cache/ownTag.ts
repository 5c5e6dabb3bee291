const MARK = "@";

/** The tag of what one principal alone has under a tag: of its private answers. */
export function ownTag(principal: string, tag: string): string {
  return `${MARK}${encodeURIComponent(principal.toWellFormed())} ${tag}`;
}

/** What a tag names, and whose it is; without a principal where it is everybody's. */
export function readOwnTag(tag: string): { tag: string; principal?: string } {
  const end = tag.startsWith(MARK) ? tag.indexOf(" ") : -1;
  if (end < 0) return { tag };
  try {
    return { tag: tag.slice(end + 1), principal: decodeURIComponent(tag.slice(1, end)) };
  } catch {
    return { tag };
  }
}
