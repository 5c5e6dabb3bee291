import { randomUUID } from "node:crypto";
import {
  isInitializeRequest,
  type McpServer,
  WebStandardStreamableHTTPServerTransport,
} from "@modelcontextprotocol/server";
import { buildServer } from "./buildServer.ts";
import type { Context } from "./context.ts";
import { EventLog } from "./EventLog.ts";

/** How soon a client may come back for a stream that ended, in ms. */
const RETRY_MS = 500;

/** The legacy era with sessions, as most servers of that era serve it. */
export interface LegacySessions {
  fetch(request: Request, parsedBody: unknown): Promise<Response>;
  close(): Promise<void>;
}

interface Session {
  server: McpServer;
  transport: WebStandardStreamableHTTPServerTransport;
}

/** Serves sessions: one server and one transport for each, until the client ends it. */
export function legacySessions(context: Context): LegacySessions {
  const sessions = new Map<string, Session>();
  const unsubscribe = context.bus.subscribe(({ kind }) => {
    for (const { server } of sessions.values()) {
      if (kind === "tools_list_changed") server.sendToolListChanged();
      if (kind === "prompts_list_changed") server.sendPromptListChanged();
    }
  });

  async function open(): Promise<Session> {
    const transport = new WebStandardStreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      eventStore: new EventLog(),
      retryInterval: RETRY_MS,
      onsessioninitialized: (id) => void sessions.set(id, { server, transport }),
      onsessionclosed: (id) => void sessions.delete(id),
    });
    const server = buildServer(context, "legacy");
    await server.connect(transport);
    return { server, transport };
  }

  return {
    async fetch(request, parsedBody) {
      const id = request.headers.get("mcp-session-id");
      const known = id === null ? undefined : sessions.get(id);
      if (id !== null && !known) return refuse(404, "Session not found");
      if (!known && !isInitializeRequest(parsedBody)) return refuse(400, "Bad Request: Session ID required");
      const { transport } = known ?? (await open());
      return transport.handleRequest(request, parsedBody === undefined ? {} : { parsedBody });
    },
    async close() {
      unsubscribe();
      await Promise.all([...sessions.values()].map(({ server }) => server.close()));
    },
  };
}

function refuse(status: number, message: string): Response {
  return Response.json({ jsonrpc: "2.0", id: null, error: { code: -32000, message } }, { status });
}
