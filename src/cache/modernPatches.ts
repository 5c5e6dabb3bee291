import { executionSpans } from "../mcp/executionSpans.ts";
import { membersOf } from "../mcp/members.ts";
import type { Patch } from "./entry.ts";

/** What modern callers have to be told otherwise in the body of a legacy result (its members, without braces): tools without `execution`. */
export function modernPatches(method: string, result: Readonly<Record<string, unknown>>, body: string): Patch[] {
  if (method !== "tools/list" || !Array.isArray(result["tools"])) return [];
  // The body has no braces of its own: one is put before it, and taken off the positions.
  const list = membersOf(`{${body}}`, 0).find(({ key }) => key === "tools")!;
  return executionSpans(body, list.valueStart - 1).map(({ start, end }) => ({ start, end, text: "" }));
}
