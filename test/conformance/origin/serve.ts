import { randomBytes } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { localhostHostValidation, localhostOriginValidation, toNodeHandler } from "@modelcontextprotocol/node";
import {
  createMcpHandler,
  createRequestStateCodec,
  InMemoryServerEventBus,
  isLegacyRequest,
  legacyStatelessFallback,
} from "@modelcontextprotocol/server";
import { buildServer } from "./buildServer.ts";
import type { Context } from "./context.ts";
import { legacySessions } from "./legacySessions.ts";
import { breakDown } from "./tasks/breakDown.ts";
import { refuseWithoutTasks } from "./tasks/refuseWithoutTasks.ts";
import { Tasks } from "./tasks/Tasks.ts";

/** A message that reached the origin: its method and, where it names one, the tool, URI, prompt or task. */
export interface Seen {
  method: string;
  name: string | undefined;
}

/** A running origin. */
export interface ConformanceOrigin {
  /** The MCP endpoint. */
  url: string;
  /** The messages that have reached it, in order. */
  list(): Seen[];
  close(): Promise<void>;
}

/** What an origin speaks: both eras, the earlier one with sessions; or one of them alone, the earlier one without sessions. */
export type Spoken = "both" | "modern" | "legacy";

/** Starts the server that the conformance suite passes where it speaks both eras and has tasks, on 127.0.0.1. */
export async function serveOrigin(port = 0, spoken: Spoken = "both", hasTasks = true): Promise<ConformanceOrigin> {
  const bus = new InMemoryServerEventBus();
  const context: Context = {
    bus,
    states: createRequestStateCodec({ key: randomBytes(32) }),
    tasks: new Tasks(),
    hasTasks,
    changes: { tools: 0, prompts: 0 },
  };
  const modern = createMcpHandler(() => buildServer(context, "modern"), { legacy: "reject", bus });
  const legacy = legacySessions(context);
  const stateless = legacyStatelessFallback(() => buildServer(context, "legacy"));
  const seen: Seen[] = [];

  async function fetch(request: Request, options: { parsedBody?: unknown } = {}): Promise<Response> {
    if (new URL(request.url).pathname !== "/mcp") return new Response("Not found.\n", { status: 404 });
    const { body, again } = await readAhead(request, options.parsedBody);
    seen.push(...[body].flat().flatMap(lookAt));
    // A server that speaks one era alone makes what it can of the other, as it would not know that there is one.
    if (spoken === "legacy") return stateless(again, body === undefined ? {} : { parsedBody: body });
    if (spoken === "both" && (await isLegacyRequest(again.clone(), body))) return legacy.fetch(again, body);
    const refused = hasTasks ? refuseWithoutTasks(again, body) : breakDown(body);
    return refused ?? modern.fetch(again, body === undefined ? {} : { parsedBody: body });
  }

  const answer = toNodeHandler({ fetch });
  const isLocalHost = localhostHostValidation();
  const isLocalOrigin = localhostOriginValidation();
  const server = createServer((request, response) => {
    // The checks answer 403 themselves.
    if (isLocalHost(request, response) && isLocalOrigin(request, response)) void answer(request, response);
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", resolve);
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`,
    list: () => [...seen],
    async close() {
      context.tasks.close();
      await Promise.all([modern.close(), legacy.close()]);
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

/** The body of a POST, parsed where it is JSON, and the request with its body still to be read. */
async function readAhead(request: Request, parsed: unknown): Promise<{ body: unknown; again: Request }> {
  if (request.method !== "POST" || parsed !== undefined) return { body: parsed, again: request };
  const { url, headers, signal } = request;
  const text = await request.text();
  const again = new Request(url, { method: "POST", headers, body: text, signal });
  try {
    return { body: JSON.parse(text), again };
  } catch {
    return { body: undefined, again };
  }
}

function lookAt(message: unknown): Seen[] {
  const { method, params } = (message ?? {}) as { method?: unknown; params?: Record<string, unknown> };
  if (typeof method !== "string") return [];
  const name = params?.name ?? params?.uri ?? params?.taskId;
  return [{ method, name: typeof name === "string" ? name : undefined }];
}
