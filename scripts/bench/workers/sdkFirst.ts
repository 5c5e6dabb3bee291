import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { WebStandardStreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js";
import * as z from "zod";
import { CONTENT, TOOL } from "../exchange.ts";

// Stateless: that package wants a new server and a new transport for each request. Answers are JSON, its cheaper form.
const inputSchema = { id: z.string() };

export default {
  async fetch(request: Request): Promise<Response> {
    const server = new McpServer({ name: "sdk-v1", version: "1.0.0" });
    server.registerTool(TOOL, { description: "Returns one feature.", inputSchema }, () => ({ content: CONTENT }));
    const transport = new WebStandardStreamableHTTPServerTransport({ enableJsonResponse: true });
    await server.connect(transport);
    return transport.handleRequest(request);
  },
};
