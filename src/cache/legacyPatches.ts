import { isObject } from "../mcp/isObject.ts";
import { needsWrapping, wrappedSchema } from "../mcp/legacySchema.ts";
import { elementSpansOf } from "../mcp/elements.ts";
import { membersOf } from "../mcp/members.ts";
import type { Patch } from "./entry.ts";

/**
 * What legacy callers have to be told otherwise in the body of a modern result (its members, without braces), as SDK
 * servers do: structured content that is no object, or whose schema is not that of one (`isWrapped`), and such schemas.
 */
export function legacyPatches(
  method: string,
  result: Readonly<Record<string, unknown>>,
  body: string,
  isWrapped: boolean,
): Patch[] {
  if (method === "tools/call") return contentPatches(result["structuredContent"], body, isWrapped);
  if (method === "tools/list") return schemaPatches(result["tools"], body);
  return [];
}

function contentPatches(content: unknown, body: string, isWrapped: boolean): Patch[] {
  if (content === undefined || (isObject(content) && !isWrapped)) return [];
  const { start, end } = valueOf(body, "structuredContent");
  return [
    { start, end: start, text: '{"result":' },
    { start: end, end, text: "}" },
  ];
}

function schemaPatches(tools: unknown, body: string): Patch[] {
  if (!Array.isArray(tools) || !tools.some((tool) => isObject(tool) && needsWrapping(tool["outputSchema"]))) return [];
  const list = valueOf(body, "tools");
  const spans = elementSpansOf(body, list.start);
  return tools.flatMap((tool: unknown, index) => {
    const schema = isObject(tool) ? tool["outputSchema"] : undefined;
    if (!needsWrapping(schema)) return [];
    const member = membersOf(body, spans[index]!.start).findLast(({ key }) => key === "outputSchema")!;
    return [{ start: member.valueStart, end: member.end, text: JSON.stringify(wrappedSchema(schema)) }];
  });
}

/** Where the value of a member stands in a body. */
function valueOf(body: string, key: string): { start: number; end: number } {
  // The body has no braces of its own: one is put before it, and taken off the positions.
  const { valueStart, end } = membersOf(`{${body}}`, 0).find((member) => member.key === key)!;
  return { start: valueStart - 1, end: end - 1 };
}
