import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** A request that reached the origin. */
export interface Seen {
  http: string;
  /** With its query. */
  path: string;
  method: string;
  name: string | undefined;
  id: unknown;
  params: any;
  headers: IncomingHttpHeaders;
  /** The body as it came. */
  text: string;
  isModern: boolean;
  /** Which of its method and name it is, counted from 1 since the last `reset`. */
  nth: number;
}

/** What to answer. */
export interface Reply {
  result?: Record<string, unknown>;
  error?: { code: number; message: string; data?: unknown };
  /** Instead of the request's. */
  id?: unknown;
  status?: number;
  headers?: Record<string, string>;
  /** As an event stream, after these notifications. */
  sse?: boolean | Record<string, unknown>[];
  /** The body as it is, instead of JSON-RPC. */
  text?: string;
  /** What to wait for between the notifications and the answer. */
  hold?: Promise<void>;
  /** End the connection in the middle of the body. */
  breakOff?: boolean;
  /** Instead of all that: gets the response, to write an event stream to as it likes. */
  stream?: (response: ServerResponse) => void;
}

/** How requests are answered; `"hang"` never does, `"reset"` ends the connection. */
export type Handler = (seen: Seen) => Reply | "hang" | "reset" | Promise<Reply | "hang" | "reset">;

/** An origin that does as it is told, and tells what reached it. */
export class Fixture {
  url = "";
  seen: Seen[] = [];
  tools: Record<string, unknown>[] = [];
  /** Answer everything as an event stream. */
  sse = false;
  eras: "both" | "modern" | "legacy" = "both";
  /** Comes before everything but `initialize`: what a request gets that is not of a session that goes on. */
  inSession: ((seen: Seen) => Reply | undefined) | undefined;
  #handlers = new Map<string, Handler>();
  #server: Server | undefined;
  #port = 0;

  /** Answers `tools/call` or, narrower, `tools/call search` by the handler. */
  on(what: string, handler: Handler): void {
    this.#handlers.set(what, handler);
  }

  /** Forgets handlers and what was seen. */
  reset(): void {
    this.#handlers.clear();
    this.inSession = undefined;
    this.seen = [];
    this.sse = false;
    this.eras = "both";
  }

  /** How many requests of a method, and of a name, have come. */
  count(method: string, name?: string): number {
    return this.seen.filter((one) => one.method === method && (name === undefined || one.name === name)).length;
  }

  last(method: string, name?: string): Seen {
    return this.seen.findLast((one) => one.method === method && (name === undefined || one.name === name))!;
  }

  /** Starts it, after `stop` on the same port as before. */
  async start(): Promise<this> {
    const server = createServer((request, response) => {
      const parts: Buffer[] = [];
      request.on("data", (part: Buffer) => parts.push(part));
      request.on("end", () => {
        const seen = this.#look(request.method!, request.url!, request.headers, Buffer.concat(parts).toString());
        void this.#answer(seen, response);
      });
    });
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(this.#port, "127.0.0.1", resolve);
    });
    this.#server = server;
    this.#port = (server.address() as AddressInfo).port;
    this.url = `http://127.0.0.1:${this.#port}/mcp`;
    return this;
  }

  /** Ends it as a crash would. */
  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (!server) return;
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeAllConnections();
    await closed;
  }

  #look(http: string, path: string, headers: IncomingHttpHeaders, text: string): Seen {
    let body: any;
    try {
      body = JSON.parse(text);
    } catch {
      body = {};
    }
    const { method = http, params, id } = body;
    const name = params?.name ?? params?.uri;
    const isModern = params?._meta?.["io.modelcontextprotocol/protocolVersion"] !== undefined;
    const nth = this.count(method, name) + 1;
    const seen = { http, path, method, name, id, params, headers, text, isModern, nth };
    this.seen.push(seen);
    return seen;
  }

  async #answer(seen: Seen, response: ServerResponse): Promise<void> {
    const handler = this.#handlers.get(`${seen.method} ${seen.name}`) ?? this.#handlers.get(seen.method) ?? this.#usual;
    const refusal = seen.method === "initialize" ? undefined : this.inSession?.(seen);
    const reply = refusal ?? (await handler(seen));
    if (reply === "hang") return;
    if (reply === "reset") {
      response.socket?.destroy();
      return;
    }
    if (reply.stream) {
      response.writeHead(200, { "content-type": "text/event-stream" });
      reply.stream(response);
      return;
    }
    const { sse = this.sse, status = 200 } = reply;
    const body = reply.text ?? bodyOf(seen, reply);
    const type = sse ? "text/event-stream" : "application/json";
    response.writeHead(status, { "content-type": type, ...reply.headers });
    const notes = Array.isArray(sse) ? sse : [];
    for (const note of notes) response.write(`data: ${JSON.stringify({ jsonrpc: "2.0", ...note })}\n\n`);
    await reply.hold;
    const text = sse && reply.text === undefined ? `event: message\ndata: ${body}\n\n` : body;
    if (!reply.breakOff) {
      response.end(text);
      return;
    }
    response.write(text.slice(0, text.length / 2), () => response.socket?.destroy());
  }

  #usual: Handler = (seen) => {
    const { method, name, isModern, nth, params, id } = seen;
    if (id === undefined) return { status: seen.http === "POST" ? 202 : 405, text: "" };
    if (isModern ? this.eras === "legacy" : this.eras === "modern") {
      return { status: 400, error: { code: -32000, message: "Bad Request: no such era here" } };
    }
    const hints = { ttlMs: 0, cacheScope: "private" };
    const capabilities = { tools: {}, resources: {}, prompts: {}, completions: {} };
    switch (method) {
      case "server/discover":
        if (!isModern) break;
        return { result: { supportedVersions: ["2026-07-28"], capabilities, ...hints } };
      case "initialize":
        return {
          result: {
            protocolVersion: params.protocolVersion,
            capabilities,
            serverInfo: { name: "fixture", version: "1.0.0" },
            instructions: "Ask.",
          },
        };
      case "tools/list":
        return { result: { tools: this.tools, ...(isModern && hints) } };
      case "tools/call":
        return { result: { content: [{ type: "text", text: `${name} ${nth}` }] } };
      case "resources/read":
        return { result: { contents: [{ uri: name, text: `${name} ${nth}` }], ...(isModern && hints) } };
      case "prompts/get":
        return { result: { messages: [{ role: "user", content: { type: "text", text: `${name} ${nth}` } }] } };
      case "prompts/list":
        return { result: { prompts: [{ name: "p" }], ...(isModern && hints) } };
      case "resources/list":
        return { result: { resources: [{ uri: "x://1", name: "x" }], ...(isModern && hints) } };
      case "ping":
        if (!isModern) return { result: {} };
    }
    return { status: isModern ? 404 : 200, error: { code: -32601, message: "Method not found" } };
  };
}

/** A tool for `tools/list`. */
export function tool(name: string, more: Record<string, unknown> = {}): Record<string, unknown> {
  return { name, inputSchema: { type: "object" }, ...more };
}

/** A tool result with one text block. */
export function text(words: string, more: Record<string, unknown> = {}): Reply {
  return { result: { content: [{ type: "text", text: words }], ...more } };
}

function bodyOf(seen: Seen, { result, error, id = seen.id ?? null }: Reply): string {
  if (error) return JSON.stringify({ jsonrpc: "2.0", id, error });
  return JSON.stringify({ jsonrpc: "2.0", id, result: seen.isModern ? { resultType: "complete", ...result } : result });
}
