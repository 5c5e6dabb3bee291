import { listTag, methodTag, ORIGIN_TAG, resourceTag } from "../cache/implicitTags.ts";
import { readOwnTag } from "../cache/ownTag.ts";
import type { FeedView, Heard } from "../sync/FeedView.ts";
import type { Isolate } from "./Exchange.ts";

/** More than this are looked at as if everything had been invalidated. */
const MAX_DOUBTED = 200;
/** The tags of what listeners name begin so. */
const BEGINNINGS = [listTag(""), resourceTag(""), methodTag("")];
const OF_TOOLS: ReadonlySet<string> = new Set([ORIGIN_TAG, listTag("tools"), methodTag("tools/list")]);

/** Draws the consequences of what an isolate has heard of the feed: what its listeners are told, and what they have to look at. */
export function heard(
  { listening, catalogues }: Pick<Isolate, "listening" | "catalogues">,
  originId: string,
  feed: Pick<FeedView, "doubted">,
  { isOther, invalidated, told }: Heard,
): void {
  const doubted = doubtedIn({ isOther, invalidated, told });
  for (const tag of doubted) if (!tag.startsWith(resourceTag(""))) feed.doubted.add(tag);
  const catalogue = catalogues.get(originId);
  // What the tools are is read again.
  if (catalogue && (isOther || [...invalidated, ...told].some((tag) => OF_TOOLS.has(tag)))) catalogue.readAt = 0;
  if (listening.streams.size === 0) return;
  for (const one of told) {
    const { tag, principal } = readOwnTag(one);
    listening.changes.add({ originId, kind: "told", tag, principal });
  }
  for (const tag of doubted) listening.changes.add({ originId, kind: "doubted", tag, principal: undefined });
}

/** The tags of what may have changed without anybody having said that it has. */
function doubtedIn({ isOther, invalidated, told }: Heard): string[] {
  if (isOther) return [ORIGIN_TAG];
  const known = new Set(told);
  const doubted = invalidated.filter(
    (tag) => !known.has(tag) && (tag === ORIGIN_TAG || BEGINNINGS.some((beginning) => tag.startsWith(beginning))),
  );
  return doubted.length > MAX_DOUBTED ? [ORIGIN_TAG] : doubted;
}
