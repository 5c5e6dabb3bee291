/** A part of a text. */
export interface Span {
  start: number;
  end: number;
}

/**
 * What to cut out of a text to be rid of some members of an object, or elements of an array: each with the comma that
 * goes with it. `items` are all of them, in their order.
 */
export function* cutSpans<T extends Span>(items: readonly T[], isCut: (item: T) => boolean): Generator<Span> {
  let hasKept = false;
  for (const [index, item] of items.entries()) {
    if (!isCut(item)) hasKept = true;
    else if (hasKept) yield { start: items[index - 1]!.end, end: item.end };
    else yield { start: item.start, end: items[index + 1]?.start ?? item.end };
  }
}

/** The text without these parts of it, which are in their order and do not meet. */
export function without(text: string, spans: readonly Span[]): string {
  let kept = "";
  let at = 0;
  for (const { start, end } of spans) {
    kept += text.slice(at, start);
    at = end;
  }
  return kept + text.slice(at);
}
