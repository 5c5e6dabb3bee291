import { CLOSE_ARRAY, CLOSE_OBJECT, COLON, COMMA, OPEN_ARRAY, OPEN_OBJECT, QUOTE } from "./characters.ts";
import { endOfString } from "./scan.ts";

/** One member of an object, as it stands in the text: from the key's quote to the end of the value. */
export interface Member {
  key: string;
  start: number;
  valueStart: number;
  end: number;
}

/**
 * The members of the object whose brace stands at `from`, in their order, without parsing what they hold. The text
 * must be valid JSON there. Duplicate keys give several members.
 */
export function membersOf(text: string, from: number): Member[] {
  const members: Member[] = [];
  let at = from + 1;
  let depth = 0;
  let start = -1;
  let keyEnd = -1;
  let valueStart = -1;
  let end = -1;
  for (;;) {
    const code = text.charCodeAt(at);
    if (code !== code) throw new SyntaxError("The text ends inside an object.");
    if (code === QUOTE) {
      const close = endOfString(text, at);
      if (depth === 0 && start < 0) {
        start = at;
        keyEnd = close;
      } else if (depth === 0 && valueStart < 0) valueStart = at;
      at = end = close;
      continue;
    }
    if (depth === 0 && (code === COMMA || code === CLOSE_OBJECT)) {
      if (start >= 0) members.push({ key: JSON.parse(text.slice(start, keyEnd)) as string, start, valueStart, end });
      if (code === CLOSE_OBJECT) return members;
      start = valueStart = -1;
    } else if (code > 32 && !(depth === 0 && code === COLON && valueStart < 0)) {
      if (valueStart < 0) valueStart = at;
      if (code === OPEN_OBJECT || code === OPEN_ARRAY) depth++;
      else if (code === CLOSE_OBJECT || code === CLOSE_ARRAY) depth--;
      end = at + 1;
    }
    at++;
  }
}
