import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Started } from "./startWorker.ts";

/** The result of a request, as JSON text; `undefined`: there is no such method. */
export type ResultOf = (method: string, params: Record<string, unknown>) => string | undefined;

/** Serves an MCP server that answers with these results. `port`: 0 for any free one. */
export async function serveResults(resultOf: ResultOf, port = 0): Promise<Started> {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => answer(request, response, Buffer.concat(chunks).toString(), resultOf));
  });
  // Longer than any pause of a run: a socket that closes under a request would be measured too.
  server.keepAliveTimeout = 120_000;
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  const { port: bound } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${bound}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function answer(request: IncomingMessage, response: ServerResponse, text: string, resultOf: ResultOf): void {
  if (request.method !== "POST") {
    response.writeHead(405).end();
    return;
  }
  const { id, method, params } = JSON.parse(text) as { id: unknown; method: string; params: Record<string, unknown> };
  const result = resultOf(method, params);
  const rest = result ? `"result":${result}` : '"error":{"code":-32601,"message":"Method not found"}';
  const body = `{"jsonrpc":"2.0","id":${JSON.stringify(id)},${rest}}`;
  response.writeHead(200, { "content-type": "application/json", "content-length": Buffer.byteLength(body) });
  response.end(body);
}
