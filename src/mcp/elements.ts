import { CLOSE_ARRAY, CLOSE_OBJECT, COMMA, OPEN_ARRAY, OPEN_OBJECT, QUOTE } from "./characters.ts";
import { endOfString } from "./scan.ts";

/** The elements of the array that a text is, each as it stands there. The text must be valid JSON. */
export function elementsOf(text: string): string[] {
  return elementSpansOf(text, text.indexOf("[")).map(({ start, end }) => text.slice(start, end));
}

/** Where the elements stand of the array whose bracket is at `from`. The text must be valid JSON there. */
export function elementSpansOf(text: string, from: number): { start: number; end: number }[] {
  const spans: { start: number; end: number }[] = [];
  let depth = 0;
  let start = -1;
  let end = -1;
  for (let at = from + 1; at < text.length;) {
    const code = text.charCodeAt(at);
    const isEnd = code === CLOSE_ARRAY && depth === 0;
    if (isEnd || (code === COMMA && depth === 0)) {
      if (start >= 0) spans.push({ start, end });
      if (isEnd) return spans;
      start = -1;
      at++;
      continue;
    }
    // Blanks between elements belong to none.
    if (code > 32 && start < 0) start = at;
    if (code === QUOTE) at = endOfString(text, at);
    else {
      if (code === OPEN_OBJECT || code === OPEN_ARRAY) depth++;
      else if (code === CLOSE_OBJECT || code === CLOSE_ARRAY) depth--;
      at++;
    }
    if (code > 32) end = at;
  }
  throw new SyntaxError("The text ends inside an array.");
}
