/** What servers here say of themselves, by the method that asks; `undefined` for all others. */
export function handshake(method: string, tools: readonly object[]): object | undefined {
  switch (method) {
    case "tools/list":
      return { tools, ...LASTING };
    case "server/discover":
      return { supportedVersions: ["2026-07-28"], capabilities: { tools: {} }, serverInfo: SERVER_INFO, ...LASTING };
    case "initialize":
      return { protocolVersion: "2025-11-25", capabilities: { tools: {} }, serverInfo: SERVER_INFO };
    default:
      return undefined;
  }
}

const SERVER_INFO = { name: "bench-origin", version: "1.0.0" };
const LASTING = { resultType: "complete", ttlMs: 3_600_000, cacheScope: "public" };
