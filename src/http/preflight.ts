/** What pages may send besides the tools' own `Mcp-Param-*`: MCP's headers of both eras, and what may be asked of the replica. */
const SENDABLE: readonly string[] = [
  "accept",
  "authorization",
  "baggage",
  "cache-control",
  "content-type",
  "idempotency-key",
  "last-event-id",
  "mcp-method",
  "mcp-name",
  "mcp-protocol-version",
  "mcp-session-id",
  "traceparent",
  "tracestate",
];

/** How many names a page may ask for: anybody may ask, so looking at them has to end. */
const MAX_NAMES = 100;

/** A tool names its header itself, as a token (RFC 9110, 5.6.2); nobody's name is this long. */
const PARAM = /^mcp-param-[!#$%&'*+.^_`|~0-9a-z-]{1,128}$/i;

/** A browser asks before each new call, so for as long as it may remember the answer: Chromium's cap, in seconds. */
const MAX_AGE = "7200";

/** Whether a request with an `Origin` is a browser's question what a page may send (Fetch, "CORS-preflight request"). */
export function isPreflight({ method, headers }: Request): boolean {
  return method === "OPTIONS" && headers.has("access-control-request-method");
}

/**
 * What a page that the guard lets in may send. The same for every endpoint, known or not, for nobody has said who asks:
 * browsers put no credentials into this question (Fetch, "CORS-preflight fetch").
 */
export function answerPreflight(page: string, headers: Headers): Response {
  const asked = (headers.get("access-control-request-headers") ?? "").split(",", MAX_NAMES).map((name) => name.trim());
  // By name, for `*` would leave out `Authorization` (Fetch, "CORS non-wildcard request-header name").
  const sendable = [...SENDABLE, ...asked.filter((name) => PARAM.test(name))];
  return new Response(null, {
    status: 204,
    headers: {
      "access-control-allow-origin": page,
      "access-control-allow-methods": "POST, GET, DELETE",
      "access-control-allow-headers": sendable.join(", "),
      "access-control-max-age": MAX_AGE,
      vary: "Origin, Access-Control-Request-Headers",
    },
  });
}
