import { CLOSE_ARRAY, CLOSE_OBJECT, COMMA, OPEN_ARRAY, OPEN_OBJECT, QUOTE } from "./characters.ts";
import { endOfString } from "./scan.ts";

/** The elements of the array that a text is, each as it stands there. The text must be valid JSON. */
export function elementsOf(text: string): string[] {
  const elements: string[] = [];
  let depth = 0;
  let start = text.indexOf("[") + 1;
  for (let at = start - 1; at < text.length;) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      at = endOfString(text, at);
      continue;
    }
    if (code === OPEN_OBJECT || code === OPEN_ARRAY) depth++;
    else if (code === CLOSE_OBJECT || code === CLOSE_ARRAY) depth--;
    const isEnd = code === CLOSE_ARRAY && depth === 0;
    if (isEnd || (code === COMMA && depth === 1)) {
      const element = text.slice(start, at).trim();
      if (element !== "") elements.push(element);
      if (isEnd) return elements;
      start = at + 1;
    }
    at++;
  }
  throw new SyntaxError("The text ends inside an array.");
}
