import type { McpHttpHandler } from "@modelcontextprotocol/server";
import type { Counter } from "./countRequests.ts";
import { type Simulation, simulate } from "./simulate.ts";

/** What the routes work with. */
export interface Routes {
  handler: McpHttpHandler;
  counter: Counter;
  simulation: Simulation;
  /** Aborted when the origin closes, so that no request is held longer. */
  closing: AbortSignal;
}

/** The routes of the origin: `/mcp`, `GET /count` and `POST /count/reset`. */
export function createFetch(routes: Routes): (request: Request) => Promise<Response> {
  return async (request) => {
    const { pathname } = new URL(request.url);
    if (pathname === "/mcp") return serveMcp(routes, request);
    if (pathname === "/count")
      return request.method === "GET" ? Response.json(routes.counter.read()) : notAllowed("GET");
    if (pathname === "/count/reset") return reset(routes.counter, request);
    return new Response("Not found.\n", { status: 404 });
  };
}

async function serveMcp({ handler, counter, simulation, closing }: Routes, request: Request): Promise<Response> {
  if (request.method !== "POST") return handler.fetch(request);
  const { url, headers, signal } = request;
  const text = await request.text();
  const body = parse(text);
  counter.add(body);
  const fate = await simulate(simulation, AbortSignal.any([signal, closing]));
  if (fate === "gone" || closing.aborted) return new Response(null, { status: 503 });
  if (fate === "fail") {
    counter.addFailure();
    return new Response("This failure is simulated.\n", { status: 503 });
  }
  // The body has been read, so the handler gets it parsed, or as it came where it is not JSON.
  const again = new Request(url, { method: "POST", headers, body: text, signal });
  return handler.fetch(again, body === undefined ? {} : { parsedBody: body });
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

function reset(counter: Counter, request: Request): Response {
  if (request.method !== "POST") return notAllowed("POST");
  counter.reset();
  return Response.json(counter.read());
}

function notAllowed(allow: string): Response {
  return new Response("Method not allowed.\n", { status: 405, headers: { allow } });
}
