import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { toNodeHandler } from "@modelcontextprotocol/node";
import { completable, createMcpHandler, McpServer, ResourceTemplate } from "@modelcontextprotocol/server";
import * as z from "zod";

/** An origin made with the SDK, which speaks the eras that it is told to. */
export interface SdkOrigin {
  url: string;
  /** The methods that reached it, in order, with what they name. */
  seen: string[];
  /** Lets the slow tool go on. */
  release: () => void;
  close(): Promise<void>;
}

/** Starts it: tools of every kind of result, a resource, a template, a prompt. */
export async function startSdkOrigin(legacy: "reject" | "stateless"): Promise<SdkOrigin> {
  const seen: string[] = [];
  let release = () => {};
  const handler = createMcpHandler(
    () =>
      build(
        () =>
          new Promise<void>((resolve) => {
            release = resolve;
          }),
      ),
    { legacy },
  );
  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on("data", (part: Buffer) => parts.push(part));
    request.on("end", () => {
      try {
        const { method, params } = JSON.parse(Buffer.concat(parts).toString());
        seen.push([method, params?.name ?? params?.uri].filter(Boolean).join(" "));
      } catch {
        seen.push(request.method!);
      }
    });
    void toNodeHandler(handler)(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`,
    seen,
    release: () => release(),
    close: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
      await handler.close();
    },
  };
}

function build(hold: () => Promise<void>): McpServer {
  const server = new McpServer(
    { name: "sdk-origin", version: "1.0.0" },
    { capabilities: { logging: {} }, instructions: "Ask for anything." },
  );
  const text = (words: string) => ({ content: [{ type: "text" as const, text: words }] });
  const readOnly = { annotations: { readOnlyHint: true } };
  server.registerTool("plain", { inputSchema: z.object({ q: z.string() }), ...readOnly }, ({ q }) =>
    text(`plain ${q}`),
  );
  server.registerTool(
    "array",
    { inputSchema: z.object({}), outputSchema: z.array(z.object({ n: z.number() })), ...readOnly },
    () => ({ ...text("two"), structuredContent: [{ n: 1 }, { n: 2 }] }),
  );
  server.registerTool(
    "either",
    { inputSchema: z.object({}), outputSchema: z.union([z.object({ a: z.number() }), z.string()]), ...readOnly },
    () => ({ ...text("an object"), structuredContent: { a: 1 } }),
  );
  server.registerTool(
    "object",
    { inputSchema: z.object({}), outputSchema: z.object({ a: z.number() }), ...readOnly },
    () => ({ ...text("an object"), structuredContent: { a: 1 } }),
  );
  server.registerTool(
    "regional",
    { inputSchema: z.object({ region: z.string().meta({ "x-mcp-header": "Region" }) }), ...readOnly },
    ({ region }) => text(`in ${region}`),
  );
  server.registerTool("write", { inputSchema: z.object({}) }, () => text("written"));
  server.registerTool("slow", { inputSchema: z.object({}) }, async (_, context) => {
    const progressToken = context.mcpReq._meta?.progressToken;
    if (progressToken !== undefined) {
      await context.mcpReq.notify({
        method: "notifications/progress",
        params: { progressToken, progress: 1, total: 2 },
      });
    }
    await hold();
    return text("at last");
  });
  server.registerResource("fixed", "test://fixed", { mimeType: "text/plain" }, (uri) => ({
    contents: [{ uri: uri.href, text: "fixed" }],
  }));
  server.registerResource(
    "templated",
    new ResourceTemplate("test://item/{id}", { list: undefined }),
    {},
    (uri, { id }) => ({
      contents: [{ uri: uri.href, text: `item ${String(id)}` }],
    }),
  );
  server.registerPrompt(
    "greet",
    {
      argsSchema: z.object({
        name: completable(z.string(), (value) => ["Ada", "Alan"].filter((one) => one.startsWith(value))),
      }),
    },
    ({ name }) => ({ messages: [{ role: "user", content: { type: "text", text: `Greet ${name}` } }] }),
  );
  return server;
}
