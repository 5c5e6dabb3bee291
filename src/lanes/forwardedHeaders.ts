import { traceparentOf } from "../mcp/trace.ts";
import { newId } from "../telemetry/newId.ts";
import type { Exchange } from "./Exchange.ts";

/** The caller's headers that reach the origin. No credential and no cookie is among them. */
const FORWARDED: readonly string[] = [
  "accept",
  "mcp-method",
  "mcp-name",
  "mcp-protocol-version",
  "last-event-id",
  "tracestate",
  "baggage",
];

/**
 * What goes to the origin of the caller's headers, with the trace continued. Unknown `Mcp-Param-*` MUST be forwarded
 * (SEP-2243). A call whose answer may be kept has the headers of a fill instead.
 */
export function forwardedHeaders(x: Exchange): Record<string, string> {
  const headers: Record<string, string> = { traceparent: traceparentOf(x.trace, newId().slice(0, 16)) };
  for (const name of FORWARDED) {
    const value = x.headers.get(name);
    if (value !== null) headers[name] = value;
  }
  // However the caller calls it, it has been read as UTF-8 and judged by that: the origin must not read it otherwise.
  if (x.httpMethod === "POST") headers["content-type"] = "application/json";
  // The caller's id of a session is sealed; the origin knows its own.
  if (x.session?.originId !== undefined) headers["mcp-session-id"] = x.session.originId;
  x.headers.forEach((value, name) => {
    if (name.startsWith("mcp-param-")) headers[name] = value;
  });
  return headers;
}
