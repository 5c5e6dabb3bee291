import { Agent, request } from "node:http";

/** A response as a test looks at it. */
export interface Got {
  status: number;
  headers: Record<string, string | undefined>;
  text: string;
  /** The JSON-RPC message: the body, or the last event of a stream. `undefined` where there is none. */
  body: any;
  /** What the answer says of itself in `_meta`. */
  cache: { status: string; ageMs: number; storedAt: number } | undefined;
}

/** One HTTP request, byte for byte. */
export interface Sent {
  method?: string;
  /** `null` leaves out a header that would be there. */
  headers?: Record<string, string | null>;
  body?: string | Buffer;
  /** Send the body in these pieces, without a stated length. */
  chunks?: (string | Buffer)[];
}

/** What a JSON-RPC request has besides method and params. */
export interface Ask extends Pick<Sent, "headers"> {
  id?: string | number;
  /** More members of `params._meta`. */
  meta?: Record<string, unknown>;
  capabilities?: Record<string, unknown>;
}

export type Params = Record<string, unknown>;

export const MODERN = "2026-07-28";
export const BOTH_FORMS = "application/json, text/event-stream";

const agent = new Agent({ keepAlive: true });

/** Sends a request and reads all of the response. */
export function send(url: string, { method = "POST", headers = {}, body, chunks }: Sent): Promise<Got> {
  const all: Record<string, string | null> = { ...headers };
  if (body !== undefined && !Object.hasOwn(all, "content-length")) {
    all["content-length"] = String(Buffer.byteLength(body));
  }
  return new Promise((resolve, reject) => {
    const sent = request(url, { method, agent, headers: withoutNull(all) }, (response) => {
      const parts: Buffer[] = [];
      response.on("data", (part: Buffer) => parts.push(part));
      response.once("error", reject);
      response.once("end", () => {
        const text = Buffer.concat(parts).toString();
        const told = response.headers as Record<string, string | undefined>;
        const message = messageOf(text, told["content-type"] ?? "");
        const cache = message?.result?._meta?.["edge-replica/cache"];
        resolve({ status: response.statusCode!, headers: told, text, body: message, cache });
      });
    });
    sent.once("error", reject);
    for (const chunk of chunks ?? []) sent.write(chunk);
    sent.end(body);
  });
}

/** The text of a perfectly formed modern request. */
export function modernBody(method: string, params: Params = {}, { id = 1, meta, capabilities = {} }: Ask = {}): string {
  const envelope = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientCapabilities": capabilities,
    "io.modelcontextprotocol/clientInfo": { name: "test", version: "1" },
    ...meta,
  };
  return JSON.stringify({ jsonrpc: "2.0", id, method, params: { ...params, _meta: envelope } });
}

/** The headers that go with it. */
export function modernHeaders(method: string, params: Params = {}): Record<string, string> {
  const name = method === "resources/read" ? params["uri"] : params["name"];
  return {
    accept: BOTH_FORMS,
    "content-type": "application/json",
    "mcp-protocol-version": MODERN,
    "mcp-method": method,
    ...(typeof name === "string" &&
      /^(tools\/call|prompts\/get|resources\/read)$/.test(method) && { "mcp-name": name }),
  };
}

/** A perfectly formed modern request, unless `ask` says otherwise. */
export function modern(url: string, method: string, params: Params = {}, ask: Ask = {}): Promise<Got> {
  return send(url, {
    headers: { ...modernHeaders(method, params), ...ask.headers },
    body: modernBody(method, params, ask),
  });
}

/** A legacy request without a session. */
export function legacy(url: string, method: string, params: Params = {}, ask: Ask = {}): Promise<Got> {
  const { id = 1, meta, headers } = ask;
  return send(url, {
    headers: {
      accept: BOTH_FORMS,
      "content-type": "application/json",
      "mcp-protocol-version": "2025-11-25",
      ...headers,
    },
    body: JSON.stringify({ jsonrpc: "2.0", id, method, params: { ...params, ...(meta && { _meta: meta }) } }),
  });
}

/** A legacy `initialize`. */
export function initialize(url: string, version = "2025-11-25", ask: Ask = {}): Promise<Got> {
  const params = { protocolVersion: version, capabilities: {}, clientInfo: { name: "test", version: "1" } };
  return legacy(url, "initialize", params, { ...ask, headers: { "mcp-protocol-version": null, ...ask.headers } });
}

/** A tool call, modern. */
export function call(url: string, name: string, args: Params = {}, ask: Ask = {}): Promise<Got> {
  return modern(url, "tools/call", { name, arguments: args }, ask);
}

/** A tool call, legacy. */
export function legacyCall(url: string, name: string, args: Params = {}, ask: Ask = {}): Promise<Got> {
  return legacy(url, "tools/call", { name, arguments: args }, ask);
}

/** The text of a tool result's first block. */
export function said({ body }: Got): string {
  return body?.result?.content?.[0]?.text;
}

/** The replica's error code, wherever the form of the answer puts it. */
export function codeOf({ body }: Got): string | undefined {
  return body?.error?.data?.code ?? body?.result?._meta?.["edge-replica/error"]?.code;
}

/** Asks again until the answer is as wanted. */
export async function until<T>(
  ask: () => Promise<T> | T,
  wanted: (value: T) => boolean,
  patienceMs = 8_000,
): Promise<T> {
  const end = Date.now() + patienceMs;
  for (;;) {
    const value = await ask();
    if (wanted(value)) return value;
    if (Date.now() > end) throw new Error(`This did not come to be in time. Last seen: ${JSON.stringify(value)}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

function withoutNull(headers: Record<string, string | null>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).filter((entry): entry is [string, string] => entry[1] !== null));
}

function messageOf(text: string, type: string): any {
  try {
    if (!type.includes("event-stream")) return JSON.parse(text);
    const last = text.match(/^data:.*$/gm)?.findLast((line) => line.includes('"id"'));
    return last && JSON.parse(last.slice(5));
  } catch {
    return undefined;
  }
}
