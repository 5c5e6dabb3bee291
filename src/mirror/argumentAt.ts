import type { Term } from "../config/mirror.ts";
import { isObject } from "../mcp/isObject.ts";

/** What a call gives for a term. `unusable`: something that no answer goes by, such as null. */
export type Given = { value: unknown } | "absent" | "unusable";

/** The value of a term, or of the argument that it stands for. Inherited members are none. */
export function givenFor(term: Term, args: Readonly<Record<string, unknown>>): Given {
  return "value" in term ? term : argumentAt(term.argument, args);
}

/** An argument by its path. */
export function argumentAt(path: readonly string[], args: Readonly<Record<string, unknown>>): Given {
  let value: unknown = args;
  for (const name of path) {
    if (!isObject(value)) return "unusable";
    if (!Object.hasOwn(value, name)) return "absent";
    value = value[name];
  }
  return value === null || value === undefined ? "unusable" : { value };
}

/**
 * Whether the database can be asked for a text as it is: halves of characters are none in UTF-8, and NUL ends a text in
 * some of SQLite's functions.
 */
export function isPlain(text: string): boolean {
  return !text.includes("\0") && text.isWellFormed();
}
