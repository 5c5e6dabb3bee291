import { cacheStatus } from "../cache/cacheStatus.ts";
import type { Answer } from "../lanes/Exchange.ts";
import { challenge, type Door } from "./challenge.ts";
import { wireError, type Told, type Trouble } from "./errors.ts";

/** A response, and what the log says of it. */
export interface Responded {
  response: Response;
  result: "hit" | "stale" | "miss" | "relay" | "local" | "error";
  ageMs?: number;
  code?: string;
}

/** The origin's headers that reach the caller. */
const PASSED: readonly string[] = ["content-type", "mcp-protocol-version", "retry-after", "allow", "x-accel-buffering"];

/** Puts an answer of the lanes on the wire. */
export function respond(answer: Exclude<Answer, { kind: "failure" }>): Responded {
  switch (answer.kind) {
    case "message": {
      const response = new Response(answer.text, { status: answer.status, headers: headersOf(answer) });
      return { response, result: answer.result, ...(answer.ageMs !== undefined && { ageMs: answer.ageMs }) };
    }
    case "stream": {
      const headers = new Headers({ "cache-status": cacheStatus(answer.outcome) });
      for (const name of PASSED) {
        const value = answer.response.headers.get(name);
        if (value !== null) headers.set(name, value);
      }
      if (answer.sessionId !== undefined) headers.set("mcp-session-id", answer.sessionId);
      return {
        response: new Response(answer.response.body, { status: answer.response.status, headers }),
        result: "relay",
      };
    }
    case "events":
      return { response: new Response(answer.body, { headers: EVENTS }), result: "local" };
    case "accepted":
      return { response: new Response(null, { status: 202 }), result: "local" };
  }
}

/** Nothing on the way may hold events back, or keep them. */
const EVENTS = { "content-type": "text/event-stream", "cache-control": "no-store", "x-accel-buffering": "no" };

const REMEMBERED = 1_000;
const remembered = new Map<string, Headers>();

/** The headers of a message. They differ by a ttl in seconds, so few are made; a response copies them, which is cheaper. */
function headersOf({ outcome, sessionId, retryAfterMs, allow }: Extract<Answer, { kind: "message" }>): Headers {
  const status = outcome ? cacheStatus(outcome) : "";
  let headers = remembered.get(status);
  if (!headers) {
    headers = new Headers({ "content-type": "application/json", ...(status && { "cache-status": status }) });
    if (remembered.size >= REMEMBERED) remembered.clear();
    remembered.set(status, headers);
  }
  if (sessionId === undefined && retryAfterMs === undefined && allow === undefined) return headers;
  const own = new Headers(headers);
  if (sessionId !== undefined) own.set("mcp-session-id", sessionId);
  if (retryAfterMs !== undefined) own.set("retry-after", String(Math.ceil(retryAfterMs / 1_000)));
  if (allow !== undefined) own.set("allow", allow);
  return own;
}

/** What may be done where something else was tried. */
const ALLOWED: Readonly<Partial<Record<Trouble["kind"], string>>> = { "get-only": "GET", "get-or-post": "GET, POST" };

/** Puts an error on the wire. `door`: how one gets in where it was met, for those who are kept out. */
export function respondTrouble(trouble: Trouble, told: Told, door?: Door): Responded {
  const { status, code, body, retryAfterMs } = wireError(trouble, told);
  const headers: Record<string, string> = { "content-type": "application/json" };
  if (status === 401 || trouble.kind === "insufficient-scope") headers["www-authenticate"] = challenge(trouble, door);
  if (status === 405) headers["allow"] = ALLOWED[trouble.kind] ?? "POST";
  // A status without an error has its own way to say it, in its body (RFC 9110, 10.2.3).
  if (status >= 400 && retryAfterMs !== undefined) headers["retry-after"] = String(Math.ceil(retryAfterMs / 1_000));
  return { response: new Response(body, { status, headers }), result: "error", code };
}
