/** The one exchange that everything here measures: a call of a read-only tool, in both eras. */

/** The tool that every server has. */
export const TOOL = "get_feature";

/** A tool that reads what another writes. */
export const STRICT_TOOL = "get_notes";
export const WRITE_TOOL = "add_note";

/** About 900 bytes: what a tool that looks something up answers. */
export const TEXT = JSON.stringify({
  id: "api.AbortController",
  name: "AbortController",
  description: "Lets a program abort one or more requests as and when it wants to.",
  url: "https://developer.example/docs/Web/API/AbortController",
  status: { deprecated: false, experimental: false, standard: true },
  support: ["chrome", "edge", "firefox", "opera", "safari", "node"].map((browser, index) => ({
    browser,
    versionAdded: String(60 + index),
    notes: index % 2 === 0 ? "Behind a preference until the version before." : "",
  })),
});

/** The result, as every server gives it. */
export const CONTENT = [{ type: "text" as const, text: TEXT }];

/** One HTTP request. */
export interface Call {
  headers: Record<string, string>;
  body: string;
}

const MODERN = "2026-07-28";
const LEGACY = "2025-11-25";
const CLIENT = { name: "bench", version: "1.0.0" };

/** The arguments of the call that is asked again and again. */
export const ARGUMENTS: Readonly<Record<string, unknown>> = { id: "api.AbortController" };

/** A call as clients of the modern revision make it. */
export function modernCall(
  id: number,
  args: Readonly<Record<string, unknown>> = ARGUMENTS,
  tool = TOOL,
  capabilities: object = {},
): Call {
  const meta = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientInfo": CLIENT,
    "io.modelcontextprotocol/clientCapabilities": capabilities,
  };
  return {
    headers: { ...legacyHeaders(MODERN), "mcp-method": "tools/call", "mcp-name": tool },
    body: request(id, { name: tool, arguments: args, _meta: meta }),
  };
}

/** A call as clients of the revisions before make it. */
export function legacyCall(id: number): Call {
  return { headers: legacyHeaders(LEGACY), body: request(id, { name: TOOL, arguments: ARGUMENTS }) };
}

function legacyHeaders(version: string): Record<string, string> {
  return {
    accept: "application/json, text/event-stream",
    "content-type": "application/json",
    "mcp-protocol-version": version,
  };
}

function request(id: number, params: object): string {
  return JSON.stringify({ jsonrpc: "2.0", id, method: "tools/call", params });
}
