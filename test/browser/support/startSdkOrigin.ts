import { toNodeHandler } from "@modelcontextprotocol/node";
import { createMcpHandler, McpServer } from "@modelcontextprotocol/server";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import * as z from "zod";

/** An MCP server of the official SDK, in both eras. */
export interface SdkOrigin {
  url: string;
  /** The calls that reached it: the tool's name and the `Mcp-Param-Region` header, where there was one. */
  calls: { tool: string; region: string | undefined }[];
  close(): Promise<void>;
}

/** Starts it, with a tool, and one that has an argument mirrored in a header (SEP-2243). */
export async function startSdkOrigin(): Promise<SdkOrigin> {
  const calls: SdkOrigin["calls"] = [];
  const handler = createMcpHandler(() => buildServer(), { legacy: "stateless" });
  const answer = toNodeHandler(handler);
  const server = createServer((request, response) => {
    const tool = request.headers["mcp-name"];
    const region = request.headers["mcp-param-region"];
    if (typeof tool === "string") calls.push({ tool, region: typeof region === "string" ? region : undefined });
    void answer(request, response);
  });
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`,
    calls,
    close: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      await handler.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

function buildServer(): McpServer {
  const server = new McpServer({ name: "browser-test", version: "1.0.0" });
  const words = (text: string) => ({ content: [{ type: "text" as const, text }] });
  server.registerTool("greet", { inputSchema: z.object({ name: z.string() }) }, ({ name }) => words(`Hello ${name}`));
  const region = z.string().meta({ "x-mcp-header": "Region" });
  server.registerTool("weather", { inputSchema: z.object({ region }) }, ({ region }) => words(`Rain in ${region}`));
  return server;
}
