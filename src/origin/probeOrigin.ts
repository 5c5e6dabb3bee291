import type { OriginSettings } from "../config/replica.ts";
import { META_CAPABILITIES, META_VERSION } from "../mcp/names.ts";
import { MODERN_VERSION } from "../mcp/versions.ts";
import { callOrigin, failureOf, type Bindings } from "./callOrigin.ts";
import type { OriginFailure } from "./failure.ts";
import { MESSAGE_HEADERS } from "./inSession.ts";

/** How a probe is made. */
export interface ProbeOptions {
  /**
   * How long the origin may take to answer, unless its own bound (`firstByteMs`) is less. Default: 30 s, for one whose calls
   * may take as long as it does is not away.
   */
  timeoutMs?: number;
  /** The origin is known to speak the earlier revisions only: some of those servers fail at what they do not know. */
  isLegacy?: boolean;
}

const TIMEOUT_MS = 30_000;
const DISCOVER = {
  headers: { ...MESSAGE_HEADERS, "mcp-protocol-version": MODERN_VERSION, "mcp-method": "server/discover" },
  body: JSON.stringify({
    jsonrpc: "2.0",
    id: 1,
    method: "server/discover",
    params: { _meta: { [META_VERSION]: MODERN_VERSION, [META_CAPABILITIES]: {} } },
  }),
};
const PING = { headers: MESSAGE_HEADERS, body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "ping" }) };

/**
 * Asks the origin something that changes nothing there, to see whether it answers at all. Why it did not: whatever is said
 * with a status under 500 will do, also that it knows no such method, or wants a session.
 */
export async function probeOrigin(
  origin: OriginSettings,
  bindings: Bindings,
  { timeoutMs = TIMEOUT_MS, isLegacy = false }: ProbeOptions = {},
): Promise<OriginFailure | undefined> {
  const quick = { ...origin, firstByteMs: Math.min(origin.firstByteMs, timeoutMs) };
  const called = await callOrigin(quick, bindings, {
    method: "POST",
    isNobodys: true,
    ...(isLegacy ? PING : DISCOVER),
  });
  if ("response" in called) await called.response.body?.cancel().catch(() => {});
  return failureOf(called);
}
