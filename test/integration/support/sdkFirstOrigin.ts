import { randomUUID } from "node:crypto";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { McpServer, ResourceTemplate } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import * as z from "zod";
import type { SdkOrigin } from "./sdkOrigin.ts";

/** How it is. */
export interface FirstOptions {
  /** Whether it opens sessions. Default: it does not, as in the SDK's examples of stateless servers. */
  sessions?: boolean;
  /** Adds what else it has. */
  more?: (server: McpServer) => void;
}

/** An origin made with the first SDK, which knows the earlier revisions only. */
export async function startSdkFirstOrigin({ sessions = false, more }: FirstOptions = {}): Promise<
  Omit<SdkOrigin, "release"> & {
    /** The sessions that go on, by their ids. */
    open: ReadonlyMap<string, unknown>;
    /** As after a restart. */
    forget: () => void;
  }
> {
  const seen: string[] = [];
  const open = new Map<string, StreamableHTTPServerTransport>();
  const connected = async (response: ServerResponse) => {
    const mcp = build();
    more?.(mcp);
    const transport = new StreamableHTTPServerTransport(
      sessions
        ? {
            sessionIdGenerator: randomUUID,
            onsessioninitialized: (id) => void open.set(id, transport),
            onsessionclosed: (id) => void open.delete(id),
          }
        : {},
    );
    if (!sessions) response.once("close", () => void mcp.close());
    // The package's own types disagree under exactOptionalPropertyTypes.
    await mcp.connect(transport as never);
    return transport;
  };
  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on("data", (part: Buffer) => parts.push(part));
    request.on("end", () => {
      const text = Buffer.concat(parts).toString();
      const body = text === "" ? undefined : JSON.parse(text);
      seen.push([body?.method ?? request.method, body?.params?.name ?? body?.params?.uri].filter(Boolean).join(" "));
      const answer = async () => {
        const id = request.headers["mcp-session-id"];
        const known = typeof id === "string" ? open.get(id) : undefined;
        if (id !== undefined && !known) {
          // So do the SDK's own examples, and many servers after them.
          const error = { code: -32000, message: "Bad Request: No valid session ID provided" };
          response.writeHead(400, { "content-type": "application/json" });
          response.end(JSON.stringify({ jsonrpc: "2.0", id: null, error }));
          return;
        }
        await (known ?? (await connected(response))).handleRequest(request, response, body);
      };
      void answer();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`,
    seen,
    open,
    forget: () => open.clear(),
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
