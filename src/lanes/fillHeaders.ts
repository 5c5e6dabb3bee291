import { methodHeaders } from "../mcp/methodHeaders.ts";
import type { Call } from "../mcp/recognise.ts";
import { paramHeaderValues, type ParamHeader } from "../mcp/toolFacts.ts";
import { traceparentOf } from "../mcp/trace.ts";
import { LEGACY_VERSIONS, MODERN_VERSION } from "../mcp/versions.ts";
import { newId } from "../telemetry/newId.ts";
import type { Exchange } from "./Exchange.ts";
import { knownEras } from "./eras.ts";
import { catalogueOf } from "./learn.ts";

/** The call as the origin is asked: where it lacks the caller's era in the other, with nothing declared. */
export function inOriginsEra(x: Exchange, call: Call): Call {
  if (x.asksIn === undefined) return call;
  const version = x.asksIn === "modern" ? MODERN_VERSION : (knownEras(x).version ?? LEGACY_VERSIONS[0]);
  return { ...call, era: x.asksIn, version, capabilities: {} };
}

/**
 * The headers of a fill, made from the call alone: what one caller sends beside it is not in the key, so it must not
 * reach an answer that many get.
 */
export function fillHeaders(x: Exchange, call: Call): Record<string, string> {
  const headers: Record<string, string> = {
    accept: "application/json, text/event-stream",
    "content-type": "application/json",
    traceparent: traceparentOf(x.trace, newId().slice(0, 16)),
  };
  if (call.version !== undefined) headers["mcp-protocol-version"] = call.version;
  if (x.session?.originId !== undefined) headers["mcp-session-id"] = x.session.originId;
  if (call.era === "legacy") return headers;
  return { ...headers, ...methodHeaders(call.method, call.target), ...Object.fromEntries(paramHeaders(x, call)) };
}

/** The arguments that are mirrored: as a modern caller wrote them, for they have been compared with the arguments, which are in the key. */
function paramHeaders(x: Exchange, call: Call): Iterable<[string, string]> {
  const declared = declaredParams(x, call);
  if (x.asksIn === "modern") return paramHeaderValues(declared, call.variant);
  return declared.flatMap(({ header }): [string, string][] => {
    const value = x.headers.get(header);
    return value === null ? [] : [[header.toLowerCase(), value]];
  });
}

/** Whether the caller sent an `Mcp-Param-*` header that no argument answers for. It goes on (SEP-2243), and what comes back is the caller's alone. */
export function hasStrayParam(x: Exchange, call: Call): boolean {
  const declared = declaredParams(x, call);
  for (const name of x.headers.keys()) {
    if (name.startsWith("mcp-param-") && !declared.some(({ header }) => header.toLowerCase() === name)) return true;
  }
  return false;
}

function declaredParams(x: Exchange, call: Call): readonly ParamHeader[] {
  if (call.era === "legacy" || call.method !== "tools/call") return [];
  return catalogueOf(x).get(call.target!)?.paramHeaders ?? [];
}
