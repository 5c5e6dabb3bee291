import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** A request that reached the origin. */
export interface Asked {
  http: string;
  method: string;
  /** The tool, prompt or URI. */
  name: string | undefined;
  id: unknown;
  params: any;
  headers: IncomingHttpHeaders;
  /** The body as it came. */
  text: string;
  isModern: boolean;
}

/** Answers a request, byte by byte where that matters. */
export type Script = (asked: Asked, response: ServerResponse) => unknown;

export const JSON_TYPE = { "content-type": "application/json" };
export const SSE_TYPE = { "content-type": "text/event-stream" };

/** An origin whose answers are written by the test, down to the connection. What no script answers it answers well. */
export class Scripted {
  url = "";
  asked: Asked[] = [];
  tools: Record<string, unknown>[] = [];
  readonly #opensSessions: boolean;
  #scripts = new Map<string, Script>();
  #server: Server | undefined;
  #sessions = 0;

  constructor({ opensSessions = false } = {}) {
    this.#opensSessions = opensSessions;
  }

  /** Answers `tools/call` or, narrower, `tools/call search` by the script. */
  on(what: string, script: Script): void {
    this.#scripts.set(what, script);
  }

  /** Forgets scripts and what was asked. */
  reset(): void {
    this.#scripts.clear();
    this.asked = [];
  }

  /** How many requests of a method, and of a name, have come. */
  count(method: string, name?: string): number {
    return this.asked.filter((one) => one.method === method && (name === undefined || one.name === name)).length;
  }

  async start(): Promise<this> {
    const server = createServer((request, response) => {
      const parts: Buffer[] = [];
      // Callers leave, and so does the replica then.
      request.on("error", () => {});
      response.on("error", () => {});
      request.on("data", (part: Buffer) => parts.push(part));
      request.on("end", () => {
        const asked = look(request.method!, request.headers, Buffer.concat(parts).toString());
        this.asked.push(asked);
        const { method, name } = asked;
        const script = this.#scripts.get(`${method} ${name}`) ?? this.#scripts.get(method) ?? this.#usual;
        void script(asked, response);
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    this.#server = server;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`;
    return this;
  }

  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.#server?.close(resolve));
    this.#server?.closeAllConnections();
    await closed;
  }

  #usual: Script = (asked, response) => {
    const { method, name, isModern, id, params } = asked;
    if (id === undefined) return response.writeHead(asked.http === "POST" ? 202 : 405).end();
    const known = this.#opensSessions && isModern ? undefined : this.#resultOf(method, name, params);
    if (!known) {
      const error = { code: -32601, message: "Method not found" };
      return response.writeHead(isModern ? 404 : 200, JSON_TYPE).end(JSON.stringify({ jsonrpc: "2.0", id, error }));
    }
    const opens = method === "initialize" && this.#opensSessions;
    const session = opens ? { "mcp-session-id": `origin-session-${++this.#sessions}` } : {};
    return response.writeHead(200, { ...JSON_TYPE, ...session }).end(answerTo(asked, known));
  };

  #resultOf(method: string, name: string | undefined, params: any): Record<string, unknown> | undefined {
    const capabilities = { tools: {}, resources: {}, prompts: {} };
    switch (method) {
      case "server/discover":
        return { supportedVersions: ["2026-07-28"], capabilities };
      case "initialize":
        return {
          protocolVersion: params.protocolVersion,
          capabilities,
          serverInfo: { name: "scripted", version: "1" },
        };
      case "tools/list":
        return { tools: this.tools };
      case "prompts/list":
        return { prompts: [{ name: "p" }] };
      case "tools/call":
        return { content: [{ type: "text", text: `${name} ${this.count(method, name)}` }] };
      case "prompts/get":
        return { messages: [{ role: "user", content: { type: "text", text: `${name}` } }] };
    }
    return undefined;
  }
}

/** The text of the response to a request. */
export function answerTo({ id, isModern }: Asked, result: Record<string, unknown>): string {
  return JSON.stringify({ jsonrpc: "2.0", id, result: isModern ? { resultType: "complete", ...result } : result });
}

/** The text of a tool's answer that says these words. */
export function saying(asked: Asked, words: string): string {
  return answerTo(asked, { content: [{ type: "text", text: words }] });
}

/** An event that carries a message. */
export function event(message: string | Record<string, unknown>, end = "\n"): string {
  const text = typeof message === "string" ? message : JSON.stringify({ jsonrpc: "2.0", ...message });
  return `data: ${text}${end}${end}`;
}

/** Resolves when the replica has left the connection before the answer was over. */
export function left(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    response.once("close", () => {
      if (!response.writableFinished) resolve();
    });
  });
}

function look(http: string, headers: IncomingHttpHeaders, text: string): Asked {
  let body: any;
  try {
    body = JSON.parse(text);
  } catch {
    body = {};
  }
  const { method = http, params, id } = body;
  const name = params?.name ?? params?.uri;
  const isModern = params?._meta?.["io.modelcontextprotocol/protocolVersion"] !== undefined;
  return { http, method, name, id, params, headers, text, isModern };
}
