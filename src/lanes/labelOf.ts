import type { Origin } from "../config/replica.ts";
import type { Catalogue } from "../mcp/Catalogue.ts";

/**
 * The name under which a tool, prompt or URI is counted: its own where the operator's file names it, or the origin's list
 * of tools does; else the pattern of the operator's that it matches. Callers can make up any other.
 */
export function labelOf(
  { tools, prompts, resources }: Pick<Origin, "tools" | "prompts" | "resources">,
  catalogue: Catalogue | undefined,
  method: string,
  target: string,
): string | undefined {
  if (method !== "tools/call") return (method === "prompts/get" ? prompts : resources).find(target)?.key;
  return catalogue?.get(target) ? target : tools.find(target)?.key;
}
