import { CLIENT_INFO } from "./clientInfo.ts";
import { LEGACY_VERSIONS } from "./versions.ts";

/** The `initialize` with which the replica opens a session in its own name: with the newest of the revisions that have it, and nothing declared. */
export function initializeRequest(id: string | number): string {
  const params = { protocolVersion: LEGACY_VERSIONS[0], capabilities: {}, clientInfo: CLIENT_INFO };
  return JSON.stringify({ jsonrpc: "2.0", id, method: "initialize", params });
}
