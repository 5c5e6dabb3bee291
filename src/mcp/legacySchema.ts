import { isObject } from "./isObject.ts";

/** Keywords whose values are data: a `$ref` in them is not one. */
const DATA: ReadonlySet<string> = new Set(["const", "enum", "default", "examples"]);
/** Keywords whose values are subschemas by names of the author's choice. */
const NAMED: ReadonlySet<string> = new Set([
  "properties",
  "patternProperties",
  "$defs",
  "definitions",
  "dependentSchemas",
  "dependencies",
]);
const ROOT = "#/properties/result";

/**
 * Whether an output schema is one that the revisions before 2026-07-28 cannot tell: there its root is an object
 * (SEP-2106). Results of such a tool are told to them inside `{ "result": … }`.
 */
export function needsWrapping(schema: unknown): schema is Record<string, unknown> {
  return isObject(schema) && schema["type"] !== "object";
}

/** The output schema as SDK servers tell it to legacy clients: an object whose `result` it describes. */
export function wrappedSchema(schema: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const dialect = typeof schema["$schema"] === "string" ? { $schema: schema["$schema"] } : {};
  // With a base of its own, references within it go on meaning what they meant.
  const result = hasOwnBase(schema) ? schema : moved(schema, false);
  return { ...dialect, type: "object", properties: { result }, required: ["result"] };
}

/** A (sub)schema whose references to its document's root have moved with it. */
function moved(node: unknown, isNameMap: boolean): unknown {
  if (Array.isArray(node)) return node.map((item) => moved(item, false));
  if (!isObject(node) || (!isNameMap && hasOwnBase(node))) return node;
  return Object.fromEntries(
    Object.entries(node).map(([key, value]) => {
      if (isNameMap) return [key, moved(value, false)];
      if ((key === "$ref" || key === "$dynamicRef") && typeof value === "string") return [key, movedReference(value)];
      return [key, DATA.has(key) ? value : moved(value, NAMED.has(key))];
    }),
  );
}

function movedReference(reference: string): string {
  if (reference === "#") return ROOT;
  return reference.startsWith("#/") ? ROOT + reference.slice(1) : reference;
}

/** A fragment alone is an anchor (draft 7), not a base. */
function hasOwnBase(node: Readonly<Record<string, unknown>>): boolean {
  const id = node["$id"];
  return id !== undefined && !(typeof id === "string" && id.startsWith("#"));
}
