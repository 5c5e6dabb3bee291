import type { OriginSettings } from "../config/replica.ts";
import { META_CAPABILITIES, META_VERSION } from "../mcp/names.ts";
import { MODERN_VERSION } from "../mcp/versions.ts";
import { callOrigin, failureOf, type Bindings } from "./callOrigin.ts";
import type { OriginFailure } from "./failure.ts";
import { MESSAGE_HEADERS } from "./inSession.ts";

/** How long an origin that is found to be down is given to answer a probe, in ms. */
export const PROBE_MS = 5_000;

const HEADERS = { ...MESSAGE_HEADERS, "mcp-protocol-version": MODERN_VERSION, "mcp-method": "server/discover" };
const BODY = JSON.stringify({
  jsonrpc: "2.0",
  id: 1,
  method: "server/discover",
  params: { _meta: { [META_VERSION]: MODERN_VERSION, [META_CAPABILITIES]: {} } },
});

/**
 * Asks the origin what it is, which changes nothing there, to see whether it answers at all within `timeoutMs`. Why it did
 * not: whatever is said with a status under 500 will do, also that there is no such method.
 */
export async function probeOrigin(
  origin: OriginSettings,
  bindings: Bindings,
  timeoutMs: number,
): Promise<OriginFailure | undefined> {
  const quick = { ...origin, firstByteMs: Math.min(origin.firstByteMs, timeoutMs) };
  const called = await callOrigin(quick, bindings, { method: "POST", headers: HEADERS, body: BODY });
  if ("response" in called) await called.response.body?.cancel().catch(() => {});
  return failureOf(called);
}
