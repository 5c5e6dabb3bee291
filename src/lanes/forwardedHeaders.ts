import { traceparentOf } from "../mcp/trace.ts";
import { newId } from "../telemetry/newId.ts";
import type { Exchange } from "./Exchange.ts";

/** The caller's headers that reach the origin. No credential and no cookie is among them. */
const FORWARDED: readonly string[] = ["accept", "content-type", "mcp-method", "mcp-name", "mcp-protocol-version"];
/** Those that are not in the key, and so do not go with a call whose answer may be kept. */
const OWN: readonly string[] = ["last-event-id", "tracestate", "baggage"];

/**
 * What goes to the origin of the caller's headers, with the trace continued; `kept` says that the answer may be kept.
 * Unknown `Mcp-Param-*` MUST be forwarded (SEP-2243).
 */
export function forwardedHeaders(x: Exchange, kept = false): Record<string, string> {
  const headers: Record<string, string> = { traceparent: traceparentOf(x.trace, newId().slice(0, 16)) };
  for (const name of kept ? FORWARDED : [...FORWARDED, ...OWN]) {
    const value = x.headers.get(name);
    if (value !== null) headers[name] = value;
  }
  // The caller's id of a session is sealed; the origin knows its own.
  if (x.session?.originId !== undefined) headers["mcp-session-id"] = x.session.originId;
  x.headers.forEach((value, name) => {
    if (name.startsWith("mcp-param-")) headers[name] = value;
  });
  return headers;
}
