import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { McpServer, ResourceTemplate } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import * as z from "zod";
import type { SdkOrigin } from "./sdkOrigin.ts";

/** An origin made with the first SDK, which knows the earlier revisions only; without sessions, as its examples have it. */
export async function startSdkFirstOrigin(): Promise<Omit<SdkOrigin, "release">> {
  const seen: string[] = [];
  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on("data", (part: Buffer) => parts.push(part));
    request.on("end", () => {
      const text = Buffer.concat(parts).toString();
      const body = text === "" ? undefined : JSON.parse(text);
      seen.push([body?.method ?? request.method, body?.params?.name ?? body?.params?.uri].filter(Boolean).join(" "));
      const mcp = build();
      const transport = new StreamableHTTPServerTransport({});
      response.once("close", () => void mcp.close());
      // The package's own types disagree under exactOptionalPropertyTypes.
      const answer = async () => {
        await mcp.connect(transport as never);
        await transport.handleRequest(request, response, body);
      };
      void answer();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`,
    seen,
    close: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

function build(): McpServer {
  const server = new McpServer({ name: "first", version: "1.0.0" }, { capabilities: { logging: {} } });
  server.registerTool(
    "plain",
    { inputSchema: { q: z.string() }, annotations: { readOnlyHint: true } },
    async ({ q }, { sendNotification, _meta }) => {
      const progressToken = _meta?.progressToken;
      if (progressToken !== undefined) {
        await sendNotification({ method: "notifications/progress", params: { progressToken, progress: 1, total: 1 } });
      }
      return { content: [{ type: "text", text: `plain ${q}` }] };
    },
  );
  server.registerTool("asking", { inputSchema: {} }, async () => {
    const { action } = await server.server.elicitInput({
      message: "Sure?",
      requestedSchema: { type: "object", properties: {} },
    });
    return { content: [{ type: "text", text: action }] };
  });
  server.registerTool(
    "wrapped",
    { inputSchema: {}, outputSchema: { result: z.array(z.number()) }, annotations: { readOnlyHint: true } },
    () => ({ content: [], structuredContent: { result: [1] } }),
  );
  server.registerResource("item", new ResourceTemplate("test://item/{id}", { list: undefined }), {}, (uri, { id }) => ({
    contents: [{ uri: uri.href, text: `item ${String(id)}` }],
  }));
  server.registerPrompt("greet", { argsSchema: { name: z.string() } }, ({ name }) => ({
    messages: [{ role: "user", content: { type: "text", text: `Greet ${name}` } }],
  }));
  return server;
}
