import { encodeHeaderValue } from "./headerValue.ts";

/** The headers that say of a modern request what is asked for, and by what name (SEP-2243). */
export function methodHeaders(method: string, target: string | null): Record<string, string> {
  return { "mcp-method": method, ...(target !== null && { "mcp-name": encodeHeaderValue(target) }) };
}
