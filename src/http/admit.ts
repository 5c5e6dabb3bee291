import { asCaller } from "../config/originAuth.ts";
import type { Origin } from "../config/replica.ts";
import type { Caller } from "../access/Caller.ts";
import type { Trouble } from "./errors.ts";
import { guard } from "./guard.ts";
import type { Incoming, Serving } from "./Incoming.ts";

/** A request that may be read, and go to the lanes. */
export interface Admitted {
  origin: Origin;
  caller: Caller;
  /** The length of the body as stated, in bytes; `null` where it has to be counted, `undefined` where there is no body to read. */
  length: number | null | undefined;
}

/**
 * Lets a request in, or says why not. Nothing of it but its head is looked at before it is known who asks. At once
 * where access is open: waiting costs a turn of the event loop, on the hottest path there is.
 */
export function admit(
  serving: Serving,
  incoming: Incoming,
  method: string,
): Admitted | { trouble: Trouble } | Promise<Admitted | { trouble: Trouble }> {
  const { replica, authenticator } = serving;
  const { headers, place, page, env, waitUntil } = incoming;
  const maxBytes = replica.limits.bodyBytes;
  const length = headers.get("content-length");
  const stated = length === null ? null : Number(length);
  if (stated !== null && stated > maxBytes) return { trouble: { kind: "too-large", maxBytes } };
  const turnedAway = guard(place, page, replica.hosts);
  if (turnedAway) return { trouble: turnedAway };
  const asked = authenticator.authenticate({
    headers,
    hostname: place.hostname,
    resource: place.resource,
    kv: env.KV,
    pepper: env.KEY_PEPPER,
    now: Date.now,
    waitUntil,
  });
  const known = (who: Awaited<typeof asked>) =>
    "refusal" in who ? { trouble: who.refusal } : seated(serving, incoming, who.caller, method, stated);
  return asked instanceof Promise ? asked.then(known) : known(asked);
}

/** Whether what a known caller sends can be taken: the path, the method, the type of the body. */
function seated(
  { replica }: Serving,
  { headers, origin: addressed }: Incoming,
  caller: Caller,
  method: string,
  length: number | null,
): Admitted | { trouble: Trouble } {
  if (!addressed) return { trouble: { kind: "unknown-path", known: pathsOf(replica) } };
  const origin = asCaller(addressed, caller);
  if (!origin) return { trouble: { kind: "token-needed" } };
  if (method !== "POST") {
    // GET and DELETE belong to sessions, and only the origin mints those.
    const inSession = (method === "GET" || method === "DELETE") && headers.has("mcp-session-id");
    return inSession ? { origin, caller, length: undefined } : { trouble: { kind: "method-not-allowed" } };
  }
  const type = headers.get("content-type");
  if (type !== "application/json" && !isJson(type)) return { trouble: { kind: "unsupported-media-type" } };
  return { origin, caller, length };
}

/** Whether a type is JSON in UTF-8, the only encoding that it has between systems (RFC 8259, 8.1). */
function isJson(type: string | null): boolean {
  const [, charset = "utf-8"] = /;\s*charset\s*=\s*"?([^";\s]+)/i.exec(type ?? "") ?? [];
  return /^application\/json\s*(;|$)/i.test(type ?? "") && charset.toLowerCase() === "utf-8";
}

/** The paths at which the replica serves MCP, for callers who have been let in. */
function pathsOf({ origins, defaultOrigin }: Serving["replica"]): string[] {
  const own = [...origins.keys()].map((id) => `/mcp/${id}`);
  return defaultOrigin ? ["/mcp", ...own] : own;
}
