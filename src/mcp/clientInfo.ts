/** How the replica names itself to origins, where an answer is not for one caller alone. */
export const CLIENT_INFO = { name: "mcp-edge-replica", version: "0.1.0" } as const;
