import { randomUUID } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { completable } from "@modelcontextprotocol/sdk/server/completable.js";
import { McpServer, ResourceTemplate } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import {
  ErrorCode,
  isInitializeRequest,
  ListResourcesRequestSchema,
  McpError,
  SubscribeRequestSchema,
} from "@modelcontextprotocol/sdk/types.js";
import * as z from "zod";
import { type SdkOrigin, WAITING_MS } from "./sdkOrigin.ts";

interface Session {
  mcp: McpServer;
  transport: StreamableHTTPServerTransport;
  /** The resources that it has subscribed to. */
  watched: Set<string>;
}

/** How it is. */
export interface FirstOptions {
  /** Whether it opens sessions. Default: it does not, as in the SDK's examples of stateless servers. */
  sessions?: boolean;
  /** Adds what else it has. */
  more?: (server: McpServer) => void;
}

/** An origin made with the first SDK, which knows the earlier revisions only; without sessions or with, as its examples have it. */
export async function startSdkFirstOrigin({ sessions: opensSessions = false, more }: FirstOptions = {}): Promise<
  Omit<SdkOrigin, "release"> & {
    /** The sessions that go on, by their ids. */
    open: ReadonlyMap<string, unknown>;
    /** As after a restart. */
    forget: () => void;
  }
> {
  const seen: string[] = [];
  const cancelled: string[] = [];
  const sessions = new Map<string, Session>();
  const open = async (): Promise<Session> => {
    const watched = new Set<string>();
    const mcp = build(cancelled, opensSessions ? watched : undefined);
    more?.(mcp);
    const session: Session = { mcp, watched, transport: undefined as never };
    session.transport = new StreamableHTTPServerTransport(
      opensSessions
        ? {
            sessionIdGenerator: randomUUID,
            onsessioninitialized: (id) => void sessions.set(id, session),
            onsessionclosed: (id) => void sessions.delete(id),
          }
        : {},
    );
    // The package's own types disagree under exactOptionalPropertyTypes.
    await mcp.connect(session.transport as never);
    return session;
  };
  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on("data", (part: Buffer) => parts.push(part));
    request.on("end", () => {
      const text = Buffer.concat(parts).toString();
      const body = text === "" ? undefined : JSON.parse(text);
      seen.push([body?.method ?? request.method, body?.params?.name ?? body?.params?.uri].filter(Boolean).join(" "));
      const answer = async () => {
        if (!opensSessions) {
          const { mcp, transport } = await open();
          response.once("close", () => void mcp.close());
          return transport.handleRequest(request, response, body);
        }
        const id = request.headers["mcp-session-id"];
        const known = typeof id === "string" ? sessions.get(id) : undefined;
        if (!known && !isInitializeRequest(body)) {
          // So do the SDK's own examples, and many servers after them: 404 would be right for an id that is not known.
          const error = { code: -32000, message: "Bad Request: No valid session ID provided" };
          response.writeHead(400, { "content-type": "application/json" });
          return response.end(JSON.stringify({ jsonrpc: "2.0", error, id: null }));
        }
        const { transport } = known ?? (await open());
        return transport.handleRequest(request, response, body);
      };
      void answer();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`,
    seen,
    cancelled,
    open: sessions,
    forget: () => sessions.clear(),
    change: (uri) => {
      for (const { mcp, watched } of sessions.values())
        if (watched.has(uri)) void mcp.server.sendResourceUpdated({ uri });
    },
    close: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

function build(cancelled: string[], watched: Set<string> | undefined): McpServer {
  const server = new McpServer(
    { name: "first", version: "1.0.0" },
    { capabilities: { logging: {}, ...(watched && { resources: { subscribe: true } }) } },
  );
  const text = (words: string) => ({ content: [{ type: "text" as const, text: words }] });
  const annotations = { readOnlyHint: true };
  server.registerTool("plain", { inputSchema: { q: z.string() }, annotations }, async ({ q }, extra) => {
    const progressToken = extra._meta?.progressToken;
    if (progressToken !== undefined) {
      await extra.sendNotification({
        method: "notifications/progress",
        params: { progressToken, progress: 1, total: 1 },
      });
    }
    return text(`plain ${q}`);
  });
  server.registerTool("asking", { inputSchema: {} }, async (_, { requestId }) => {
    const { action } = await server.server.elicitInput(
      { message: "Sure?", requestedSchema: { type: "object", properties: {} } },
      { relatedRequestId: requestId },
    );
    return text(action);
  });
  // In these revisions structured content is an object, so that a list is told inside of one.
  const outputSchema = { result: z.array(z.object({ n: z.number() })) };
  server.registerTool("array", { inputSchema: {}, outputSchema, annotations }, () => ({
    ...text("two"),
    structuredContent: { result: [{ n: 1 }, { n: 2 }] },
  }));
  server.registerTool("object", { inputSchema: {}, outputSchema: { a: z.number() }, annotations }, () => ({
    ...text("an object"),
    structuredContent: { a: 1 },
  }));
  server.registerTool("stepping", { inputSchema: {} }, async (_, { sendNotification, _meta }) => {
    const progressToken = _meta?.progressToken ?? "none";
    for (const progress of [1, 2]) {
      await sendNotification({ method: "notifications/progress", params: { progressToken, progress, total: 2 } });
    }
    return text("stepped");
  });
  server.registerTool("write", { inputSchema: {} }, () => text("written"));
  server.registerTool("talking", { inputSchema: {} }, async (_, { sendNotification }) => {
    await sendNotification({ method: "notifications/message", params: { level: "info", data: "said" } });
    return text("done");
  });
  server.registerTool("waiting", { inputSchema: { as: z.string() } }, async ({ as }, extra) => {
    const progressToken = extra._meta?.progressToken ?? "none";
    for (let progress = 1; !extra.signal.aborted; progress++) {
      const params = { progressToken, progress };
      await extra.sendNotification({ method: "notifications/progress", params }).catch(() => {});
      await pause(WAITING_MS);
    }
    cancelled.push(as);
    return text("too late");
  });
  addRest(server, watched);
  return server;
}

/** Resources, which can be subscribed to where there are sessions, and a prompt. */
function addRest(server: McpServer, watched: Set<string> | undefined): void {
  server.registerResource("fixed", "test://fixed", { mimeType: "text/plain" }, (uri) => ({
    contents: [{ uri: uri.href, text: "fixed" }],
  }));
  server.registerResource("item", new ResourceTemplate("test://item/{id}", { list: undefined }), {}, (uri, { id }) => ({
    contents: [{ uri: uri.href, text: `item ${String(id)}` }],
  }));
  const name = completable(z.string(), (value) => ["Ada", "Alan"].filter((one) => one.startsWith(value)));
  server.registerPrompt("greet", { argsSchema: { name } }, ({ name }) => ({
    messages: [{ role: "user", content: { type: "text", text: `Greet ${name}` } }],
  }));
  // The SDK has one page only.
  const pages = [
    { resources: [{ uri: "test://fixed", name: "fixed" }], nextCursor: "2" },
    { resources: [{ uri: "test://item/1", name: "one" }] },
  ];
  server.server.setRequestHandler(ListResourcesRequestSchema, ({ params }) => {
    const page = params?.cursor === undefined ? pages[0] : params.cursor === "2" ? pages[1] : undefined;
    if (!page) throw new McpError(ErrorCode.InvalidParams, "No such cursor");
    return page;
  });
  if (!watched) return;
  server.server.setRequestHandler(SubscribeRequestSchema, ({ params }) => {
    watched.add(params.uri);
    return {};
  });
}
