import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { CONTENT, TOOL } from "./exchange.ts";
import type { Started } from "./startWorker.ts";

const SERVER_INFO = { name: "bench-origin", version: "1.0.0" };
const INPUT = { type: "object", properties: { id: { type: "string" } } };
const TOOLS = [
  { name: TOOL, description: "Returns one feature.", inputSchema: INPUT, annotations: { readOnlyHint: true } },
];

/** Starts an MCP server that answers from constants, so that it costs next to nothing to ask it. */
export async function startOrigin(): Promise<Started> {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => answer(request, response, Buffer.concat(chunks).toString()));
  });
  // Longer than any pause of a run: a socket that closes under a request would be measured too.
  server.keepAliveTimeout = 120_000;
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function answer(request: IncomingMessage, response: ServerResponse, text: string): void {
  if (request.method !== "POST") {
    response.writeHead(405).end();
    return;
  }
  const { id, method } = JSON.parse(text) as { id: unknown; method: string };
  const result = resultOf(method);
  const body = JSON.stringify(
    result
      ? { jsonrpc: "2.0", id, result }
      : { jsonrpc: "2.0", id, error: { code: -32601, message: "Method not found" } },
  );
  response.writeHead(200, { "content-type": "application/json", "content-length": Buffer.byteLength(body) });
  response.end(body);
}

function resultOf(method: string): object | undefined {
  switch (method) {
    case "tools/call":
      return { content: CONTENT, resultType: "complete" };
    case "tools/list":
      return { tools: TOOLS, resultType: "complete", ttlMs: 3_600_000, cacheScope: "public" };
    case "server/discover":
      return {
        supportedVersions: ["2026-07-28"],
        capabilities: { tools: {} },
        serverInfo: SERVER_INFO,
        resultType: "complete",
        ttlMs: 3_600_000,
        cacheScope: "public",
      };
    case "initialize":
      return { protocolVersion: "2025-11-25", capabilities: { tools: {} }, serverInfo: SERVER_INFO };
    default:
      return undefined;
  }
}
