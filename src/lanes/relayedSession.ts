import { isObject } from "../mcp/isObject.ts";
import { LEGACY_VERSIONS } from "../mcp/versions.ts";
import type { Exchange } from "./Exchange.ts";
import { sealSession } from "./sessions.ts";

/**
 * Whether the origin's status says that the session is over: 404 (basic/transports), or that it was ended. One that the
 * replica opened by itself is over as soon as the origin is back and asks for one of its own.
 */
export function isGone({ session, httpMethod }: Exchange, status: number): boolean {
  if (session!.originId === undefined) return status >= 400 && status < 500 && status !== 429;
  return status === 404 || (httpMethod === "DELETE" && status < 300);
}

/** The caller's id for the session that the response belongs to. The origin's own stays here. */
export async function sessionIdOf(x: Exchange, response: Response): Promise<string | undefined> {
  const originId = response.headers.get("mcp-session-id");
  if (originId === null) return undefined;
  if (originId === x.session?.originId) return x.sessionId;
  const { method, params } = isObject(x.body) ? x.body : {};
  if (method !== "initialize" || !isObject(params)) return undefined;
  const { protocolVersion, capabilities } = params;
  return sealSession(x, {
    originId,
    version: LEGACY_VERSIONS.find((version) => version === protocolVersion) ?? "",
    // Of two members of one name, the origin may have taken the other.
    capabilities: !x.scan.exact ? undefined : isObject(capabilities) ? capabilities : {},
  });
}
