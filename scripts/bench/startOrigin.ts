import { CONTENT, TOOL } from "./exchange.ts";
import { handshake } from "./handshake.ts";
import { serveResults } from "./serveResults.ts";
import type { Started } from "./startWorker.ts";

const INPUT = { type: "object", properties: { id: { type: "string" } } };
const TOOLS = [
  { name: TOOL, description: "Returns one feature.", inputSchema: INPUT, annotations: { readOnlyHint: true } },
];

/** Starts an MCP server that answers from constants, so that it costs next to nothing to ask it. `port`: 0 for any free one. */
export function startOrigin(port = 0): Promise<Started> {
  return serveResults((method) => {
    const result = method === "tools/call" ? { content: CONTENT, resultType: "complete" } : handshake(method, TOOLS);
    return result && JSON.stringify(result);
  }, port);
}
