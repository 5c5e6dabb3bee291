import type { Origin, ToolBounds } from "../config/replica.ts";
import { isObject } from "../mcp/isObject.ts";

/** How much of what a call names there may be, as the operator has it. */
export function boundsOf(origin: Origin, method: unknown, target: unknown): ToolBounds | undefined {
  if (!origin.isBounded || method !== "tools/call" || typeof target !== "string") return undefined;
  return origin.tools.find(target)?.value.bounds;
}

/** The same of what a message calls. */
export function boundsIn(origin: Origin, message: unknown): ToolBounds | undefined {
  const { method, params } = isObject(message) ? message : {};
  return boundsOf(origin, method, isObject(params) ? params["name"] : undefined);
}
