import type { Replica } from "./replica.ts";
import { type Ask, BOTH_FORMS, type Got, initialize, modernBody, modernHeaders, type Params, send } from "./wire.ts";

/** A request ready to be sent. */
export interface Request {
  url: string;
  headers: Record<string, string>;
  body: string;
}

/** Somebody who asks in one of the ways that there are. */
export interface Caller {
  who: string;
  isModern: boolean;
  /** The origin that is asked. */
  at: string;
  request(method: string, params: Params, ask?: Ask): Promise<Request>;
  ask(method: string, params: Params, ask?: Ask): Promise<Got>;
  call(name: string, args?: Params, ask?: Ask): Promise<Got>;
}

/** Those who ask `stateless`, in both eras, and one in a session of `stateful`. */
export function makeCallers(replica: () => Replica, stateless = "o", stateful = "s"): Caller[] {
  let session: Promise<string> | undefined;
  const opened = async (url: string) => (await initialize(url)).headers["mcp-session-id"]!;
  const headersOf = (headers: Ask["headers"] = {}) => headers as Record<string, string>;
  const legacyHeaders = {
    accept: BOTH_FORMS,
    "content-type": "application/json",
    "mcp-protocol-version": "2025-11-25",
  };
  const legacyBody = (method: string, params: Params, { id = 1, meta }: Ask) =>
    JSON.stringify({ jsonrpc: "2.0", id, method, params: { ...params, ...(meta && { _meta: meta }) } });
  return [
    makeCaller("a modern caller", stateless, async (method, params, ask) => ({
      url: `${replica().mcp}/${stateless}`,
      headers: { ...modernHeaders(method, params), ...headersOf(ask.headers) },
      body: modernBody(method, params, ask),
    })),
    makeCaller("a legacy caller", stateless, async (method, params, ask) => ({
      url: `${replica().mcp}/${stateless}`,
      headers: { ...legacyHeaders, ...headersOf(ask.headers) },
      body: legacyBody(method, params, ask),
    })),
    makeCaller("a legacy caller in a session", stateful, async (method, params, ask) => {
      const url = `${replica().mcp}/${stateful}`;
      const headers = { "mcp-session-id": await (session ??= opened(url)) };
      return {
        url,
        headers: { ...legacyHeaders, ...headers, ...headersOf(ask.headers) },
        body: legacyBody(method, params, ask),
      };
    }),
  ];
}

function makeCaller(
  who: string,
  at: string,
  make: (method: string, params: Params, ask: Ask) => Promise<Request>,
): Caller {
  const ask = async (method: string, params: Params, asked: Ask = {}) => {
    const { url, headers, body } = await make(method, params, asked);
    return send(url, { headers, body });
  };
  return {
    who,
    at,
    isModern: who === "a modern caller",
    request: (method, params, asked = {}) => make(method, params, asked),
    ask,
    call: (name, args = {}, asked) => ask("tools/call", { name, arguments: args }, asked),
  };
}
