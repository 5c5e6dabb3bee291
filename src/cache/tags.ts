import { isObject } from "../mcp/isObject.ts";
import { cut, MAX_TAG_LENGTH } from "./implicitTags.ts";

const MISSING = ":-";
const MAX_LENGTH = 256;

/**
 * The tags of a call: templates filled from its arguments (`product:{sku}`, `{filter.category}`). A missing value, or
 * one that is not a plain scalar, makes the name end in `:-`.
 */
export function expandTags(templates: readonly string[], args: unknown, maxLength = MAX_LENGTH): string[] {
  return templates.map((template) => {
    let missing = false;
    const name = template.replace(/\{([^{}]+)\}/g, (_, path: string) => {
      const value = at(args, path.split("."));
      if (typeof value === "string" || typeof value === "number" || typeof value === "boolean") return String(value);
      missing = true;
      return "";
    });
    if (!missing) return name.slice(0, maxLength);
    return name.slice(0, maxLength).replace(/:*$/, "") + MISSING;
  });
}

/** The tags that a call invalidates, as the feed knows them: those that entries have without saying so may be longer. */
export function writtenTags(templates: readonly string[], args: unknown): string[] {
  return [...new Set([...expandTags(templates, args), ...expandTags(templates, args, MAX_TAG_LENGTH).map(cut)])];
}

function at(value: unknown, path: readonly string[]): unknown {
  let current = value;
  for (const part of path) current = isObject(current) && Object.hasOwn(current, part) ? current[part] : undefined;
  return current;
}
