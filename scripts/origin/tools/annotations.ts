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

/** What is true of a tool that changes or removes what is there, and that does no more when it is called again. */
export const DESTROYS: ToolAnnotations = {
  readOnlyHint: false,
  destructiveHint: true,
  idempotentHint: true,
  openWorldHint: false,
};

/** What is true of a tool that adds something, once for each request. */
export const ADDS_ONCE: ToolAnnotations = { ...ADDS, idempotentHint: true };
