import { OPEN_OBJECT } from "./characters.ts";
import { cutSpans, type Span } from "./cutSpans.ts";
import { elementSpansOf } from "./elements.ts";
import { membersOf } from "./members.ts";

/**
 * What to cut out of the array of tools whose bracket stands at `from`, so that none has `execution`, which the modern
 * revision has not. The text must be valid JSON there.
 */
export function executionSpans(text: string, from: number): Span[] {
  return elementSpansOf(text, from)
    .filter(({ start }) => text.charCodeAt(start) === OPEN_OBJECT)
    .flatMap(({ start }) => [...cutSpans(membersOf(text, start), ({ key }) => key === "execution")]);
}
