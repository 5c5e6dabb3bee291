import type { ToolChanges } from "../mcp/toolChanges.ts";

/** Tools that changed, and when that was seen; epoch ms. */
export interface ToolChange extends ToolChanges {
  at: number;
}
