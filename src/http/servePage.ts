import { newId } from "../telemetry/newId.ts";
import { guard } from "./guard.ts";
import type { Incoming, Serving } from "./Incoming.ts";
import { answerPreflight, isPreflight } from "./preflight.ts";
import { serveMcp } from "./serveMcp.ts";

/** What pages may read besides the few headers that they always may (Fetch, "CORS-safelisted response-header name"). */
const READABLE = "mcp-session-id, mcp-protocol-version, www-authenticate, cache-status, retry-after";

/** Serves a request of a page in a browser, which shows the page nothing without the headers added here. */
export async function servePage(serving: Serving, incoming: Incoming, page: string): Promise<Response> {
  // A page that is turned away gets no such header: its browser keeps even the refusal from it.
  if (guard(incoming.place, page, serving.replica.hosts)) return serveMcp(serving, incoming);
  if (isPreflight(incoming.request)) return servePreflight(serving, incoming, page);
  const response = await serveMcp(serving, incoming);
  // These are the response's own: it has copied those that it was made with.
  response.headers.set("access-control-allow-origin", page);
  response.headers.set("access-control-expose-headers", READABLE);
  // The page is named, not `*`, so a cache must not give this to another (Fetch, "CORS protocol and HTTP caches").
  response.headers.append("vary", "Origin");
  return response;
}

function servePreflight({ report }: Serving, { request, origin }: Incoming, page: string): Response {
  const begun = performance.now();
  const response = answerPreflight(page, request.headers);
  report({
    type: "request",
    origin: origin?.settings.id ?? "-",
    method: request.method,
    name: null,
    result: "local",
    status: response.status,
    durationMs: performance.now() - begun,
    correlationId: newId(),
  });
  return response;
}
