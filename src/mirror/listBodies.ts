import { elementSpansOf } from "../mcp/elements.ts";
import { membersOf } from "../mcp/members.ts";
import { bytesIn, MAX_BODY_BYTES } from "./rowOf.ts";

/**
 * A page of a list in neutral form, as one page or more of the mirror: none is larger than a row may be, if only no element
 * of `name` is. A list without pages of its own may be as long as it likes.
 */
export function listBodies(body: string, name: string): string[] {
  if (body.length * 3 <= MAX_BODY_BYTES || bytesIn(body) <= MAX_BODY_BYTES) return [body];
  const text = `{${body}}`;
  const { valueStart, end } = membersOf(text, 0).find(({ key }) => key === name)!;
  const [before, after] = [text.slice(1, valueStart + 1), text.slice(end - 1, -1)];
  const most = MAX_BODY_BYTES - bytesIn(before) - bytesIn(after);
  const bodies: string[] = [];
  let elements: string[] = [];
  let bytes = 0;
  const close = () => bodies.push(before + elements.join(",") + after);
  for (const { start, end: until } of elementSpansOf(text, valueStart)) {
    const element = text.slice(start, until);
    const more = bytesIn(element) + 1;
    if (bytes + more > most && elements.length > 0) {
      close();
      elements = [];
      bytes = 0;
    }
    elements.push(element);
    bytes += more;
  }
  close();
  return bodies;
}
