import type { Reference, Template } from "../config/template.ts";
import { isObject } from "../mcp/isObject.ts";

/** What is found under a path; `undefined` where nothing is. */
export type Resolve = (path: readonly string[]) => unknown;

/** The text of a template. What is not there has none. */
export function fillTemplate(template: Template, resolve: Resolve): string {
  let text = "";
  for (const piece of template) text += typeof piece === "string" ? piece : textOf(piece, resolve(piece.path));
  return text;
}

/** A value as the reference has it written. */
export function textOf({ as }: Pick<Reference, "as">, value: unknown): string {
  if (value === undefined) return "";
  if (as === "keys") return isObject(value) ? Object.keys(value).join(", ") : "";
  if (as === "join" && Array.isArray(value)) return value.map(plainText).join(", ");
  return as === "json" ? JSON.stringify(value) : plainText(value);
}

function plainText(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** The member of a value under a path. Inherited members are none. */
export function memberAt(value: unknown, path: readonly string[]): unknown {
  let at = value;
  for (const name of path) {
    if (at === null || typeof at !== "object" || !Object.hasOwn(at, name)) return undefined;
    at = (at as Record<string, unknown>)[name];
  }
  return at;
}
