import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { toNodeHandler } from "@modelcontextprotocol/node";
import {
  completable,
  createMcpHandler,
  inputRequired,
  inputResponse,
  McpServer,
  ProtocolError,
  ProtocolErrorCode,
  ResourceTemplate,
} from "@modelcontextprotocol/server";
import * as z from "zod";

/** An origin made with the SDK, which speaks the eras that it is told to. */
export interface SdkOrigin {
  url: string;
  /** The methods that reached it, in order, with what they name. */
  seen: string[];
  /** Lets the slow tool go on. */
  release: () => void;
  /** The calls of the waiting tool that have been cancelled, by their names. */
  cancelled: string[];
  /** Tells who listens that a resource has changed. */
  change: (uri: string) => void;
  close(): Promise<void>;
}

/** How often the tool that waits to be cancelled says that it still does: a runtime may learn only then that a caller has left. In ms. */
export const WAITING_MS = 25;

/** Starts it: tools of every kind of result, a resource, a template, a prompt. */
export async function startSdkOrigin(legacy: "reject" | "stateless"): Promise<SdkOrigin> {
  const seen: string[] = [];
  const cancelled: string[] = [];
  let release = () => {};
  const hold = () =>
    new Promise<void>((resolve) => {
      release = resolve;
    });
  const handler = createMcpHandler(() => build(hold, cancelled), { legacy });
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
    cancelled,
    change: (uri) => handler.bus.publish({ kind: "resource_updated", uri }),
    close: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
      await handler.close();
    },
  };
}

function build(hold: () => Promise<void>, cancelled: string[]): McpServer {
  const server = new McpServer(
    { name: "sdk-origin", version: "1.0.0" },
    { capabilities: { logging: {}, resources: { subscribe: true } }, instructions: "Ask for anything." },
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
  server.registerTool("stepping", { inputSchema: z.object({}) }, async (_, { mcpReq }) => {
    const progressToken = mcpReq._meta?.progressToken ?? "none";
    for (const progress of [1, 2]) {
      await mcpReq.notify({ method: "notifications/progress", params: { progressToken, progress, total: 2 } });
    }
    return text("stepped");
  });
  server.registerTool("talking", { inputSchema: z.object({}) }, async (_, context) => {
    await context.mcpReq.log("info", "said");
    return text("done");
  });
  server.registerTool("asking", { inputSchema: z.object({}) }, (_, context) => {
    const answer = inputResponse(context.mcpReq.inputResponses, "sure");
    if (answer.kind === "elicit") return text(answer.action);
    const requestedSchema = { type: "object" as const, properties: {} };
    return inputRequired({ inputRequests: { sure: inputRequired.elicit({ message: "Sure?", requestedSchema }) } });
  });
  server.registerTool("waiting", { inputSchema: z.object({ as: z.string() }) }, async ({ as }, { mcpReq }) => {
    const progressToken = mcpReq._meta?.progressToken ?? "none";
    for (let progress = 1; !mcpReq.signal.aborted; progress++) {
      await mcpReq.notify({ method: "notifications/progress", params: { progressToken, progress } }).catch(() => {});
      await pause(WAITING_MS);
    }
    cancelled.push(as);
    return text("too late");
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
  // The SDK has one page only.
  const pages = [
    { resources: [{ uri: "test://fixed", name: "fixed" }], nextCursor: "2" },
    { resources: [{ uri: "test://item/1", name: "one" }] },
  ];
  server.server.setRequestHandler("resources/list", ({ params }) => {
    const page = params?.cursor === undefined ? pages[0] : params.cursor === "2" ? pages[1] : undefined;
    if (!page) throw new ProtocolError(ProtocolErrorCode.InvalidParams, "No such cursor");
    return page;
  });
  return server;
}
