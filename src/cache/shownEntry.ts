import { without, type Span } from "../mcp/cutSpans.ts";
import { hiddenSpans, type IsShown } from "../mcp/hiddenSpans.ts";
import type { Entry, Patch } from "./entry.ts";

/** An entry of a list as a caller sees it who may use only some of what it lists; the very same where that is all of it. Pure. */
export function shownEntry(entry: Entry, method: string, isShown: IsShown): Entry {
  // The body has no braces of its own: one is put before it, and taken off the positions.
  const spans = hiddenSpans(`{${entry.body}}`, 0, method, isShown).map(({ start, end }) => ({
    start: start - 1,
    end: end - 1,
  }));
  if (spans.length === 0) return entry;
  const { legacy, modern, ...rest } = entry;
  const [first, second] = [moved(legacy, spans), moved(modern, spans)];
  return {
    ...rest,
    body: without(entry.body, spans),
    ...(first.length > 0 && { legacy: first }),
    ...(second.length > 0 && { modern: second }),
  };
}

/** The patches of what stays, where it stands now. Both are in their order, and no patch goes beyond the element that it is of. */
function moved(patches: readonly Patch[] = [], spans: readonly Span[]): Patch[] {
  const kept: Patch[] = [];
  let next = 0;
  let removed = 0;
  for (const { start, end, text } of patches) {
    while (next < spans.length && spans[next]!.end <= start) {
      removed += spans[next]!.end - spans[next]!.start;
      next++;
    }
    const isCut = next < spans.length && spans[next]!.start <= start;
    if (!isCut) kept.push({ start: start - removed, end: end - removed, text });
  }
  return kept;
}
