import { membersOf } from "./members.ts";

/** A JSON text with another value, itself JSON, at a path of keys; the text as it is where there is nothing. The rest stays as it is written. */
export function withValue(text: string, path: readonly string[], value: string): string {
  let from = text.indexOf("{");
  for (const [depth, name] of path.entries()) {
    if (text[from] !== "{") return text;
    // Of keys of one name, the last counts.
    const member = membersOf(text, from).findLast(({ key }) => key === name);
    if (!member) return text;
    if (depth === path.length - 1) return text.slice(0, member.valueStart) + value + text.slice(member.end);
    from = member.valueStart;
  }
  return text;
}
