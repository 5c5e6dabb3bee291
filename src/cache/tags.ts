import { isObject } from "../mcp/isObject.ts";

const MISSING = ":-";
const MAX_LENGTH = 256;

/**
 * The tags of a call: templates filled from its arguments (`product:{sku}`, `{filter.category}`). A missing value, or
 * one that is not a plain scalar, makes the name end in `:-`.
 */
export function expandTags(templates: readonly string[], args: unknown): string[] {
  return templates.map((template) => {
    let missing = false;
    const name = template.replace(/\{([^{}]+)\}/g, (_, path: string) => {
      const value = at(args, path.split("."));
      if (typeof value === "string" || typeof value === "number" || typeof value === "boolean") return String(value);
      missing = true;
      return "";
    });
    if (!missing) return name.slice(0, MAX_LENGTH);
    return name.slice(0, MAX_LENGTH).replace(/:*$/, "") + MISSING;
  });
}

function at(value: unknown, path: readonly string[]): unknown {
  let current = value;
  for (const part of path) current = isObject(current) && Object.hasOwn(current, part) ? current[part] : undefined;
  return current;
}
