import type { ToolAnnotations } from "@modelcontextprotocol/server";

/** What is true of every tool that only reads. */
export const READS: ToolAnnotations = { readOnlyHint: true, idempotentHint: true, openWorldHint: false };

/** What is true of a tool that adds something each time it is called. */
export const ADDS: ToolAnnotations = {
  readOnlyHint: false,
  destructiveHint: false,
  idempotentHint: false,
  openWorldHint: false,
};
