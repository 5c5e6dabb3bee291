import { newId } from "../telemetry/newId.ts";
import { traceparentOf } from "../mcp/trace.ts";
import type { Exchange } from "./Exchange.ts";

/** The caller's headers that reach the origin. No credential and no cookie is among them. */
const FORWARDED: readonly string[] = [
  "accept",
  "content-type",
  "last-event-id",
  "mcp-method",
  "mcp-name",
  "mcp-protocol-version",
  "mcp-session-id",
  "tracestate",
  "baggage",
];

/** What goes to the origin of the caller's headers, with the trace continued. Unknown `Mcp-Param-*` MUST be forwarded (SEP-2243). */
export function forwardedHeaders(x: Exchange): Record<string, string> {
  const headers: Record<string, string> = { traceparent: traceparentOf(x.trace, newId().slice(0, 16)) };
  for (const name of FORWARDED) {
    const value = x.headers.get(name);
    if (value !== null) headers[name] = value;
  }
  x.headers.forEach((value, name) => {
    if (name.startsWith("mcp-param-")) headers[name] = value;
  });
  return headers;
}
