import { OPEN_OBJECT } from "./characters.ts";
import { elementSpansOf } from "./elements.ts";
import { membersOf, type Member } from "./members.ts";

/**
 * What to cut out of the array of tools whose bracket stands at `from`, so that none has `execution`, which the modern
 * revision has not. The text must be valid JSON there.
 */
export function executionSpans(text: string, from: number): { start: number; end: number }[] {
  return elementSpansOf(text, from)
    .filter(({ start }) => text.charCodeAt(start) === OPEN_OBJECT)
    .flatMap(({ start }) => [...spansOf(membersOf(text, start), "execution")]);
}

/** The members of that key, each with the comma that goes with it. */
function* spansOf(members: readonly Member[], dropped: string): Generator<{ start: number; end: number }> {
  let hasKept = false;
  for (const [index, { key, start, end }] of members.entries()) {
    if (key !== dropped) hasKept = true;
    else if (hasKept) yield { start: members[index - 1]!.end, end };
    else yield { start, end: members[index + 1]?.start ?? end };
  }
}
