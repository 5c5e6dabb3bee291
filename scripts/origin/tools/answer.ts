import type { CallToolResult } from "@modelcontextprotocol/server";

/** A tool result that carries a value, both as structured content and as one text block with the same JSON. */
export function answer(value: Record<string, unknown>): CallToolResult {
  return { content: [{ type: "text", text: JSON.stringify(value) }], structuredContent: value };
}
