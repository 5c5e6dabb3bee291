import { createMcpHandler, McpServer } from "@modelcontextprotocol/server";
import * as z from "zod";
import { CONTENT, TOOL } from "../exchange.ts";

// A server as its README makes it, with one tool that does nothing.
const inputSchema = z.object({ id: z.string() });

const handler = createMcpHandler(() => {
  const server = new McpServer({ name: "sdk", version: "1.0.0" });
  server.registerTool(TOOL, { description: "Returns one feature.", inputSchema }, () => ({ content: CONTENT }));
  return server;
});

export default { fetch: (request: Request): Promise<Response> => handler.fetch(request) };
