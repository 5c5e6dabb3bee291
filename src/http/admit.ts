import type { Origin } from "../config/replica.ts";
import type { Principal } from "../access/authenticate.ts";
import type { Trouble } from "./errors.ts";
import { guard } from "./guard.ts";
import { readBody } from "./readBody.ts";
import type { Incoming, Serving } from "./Incoming.ts";
import { scan, type Scan } from "../mcp/scan.ts";

/** A request that may go to the lanes. */
export interface Admitted {
  origin: Origin;
  principal: Principal;
  /** The body as it came. */
  text: string;
  /** The body parsed. */
  body: unknown;
  scan: Scan;
}

const NO_SCAN: Scan = { tooDeep: false, exact: false, duplicates: false };

/** Lets a request in, or says why not. Nothing of it is looked at before it is known who asks. */
export async function admit(
  { replica, authenticator }: Serving,
  { request, place, page, origin, env }: Incoming,
): Promise<Admitted | { trouble: Trouble }> {
  const { headers } = request;
  const maxBytes = replica.limits.bodyBytes;
  const length = headers.get("content-length");
  const stated = length === null ? null : Number(length);
  if (stated !== null && stated > maxBytes) return { trouble: { kind: "too-large", maxBytes } };
  const turnedAway = guard(place, page, replica.hosts);
  if (turnedAway) return { trouble: turnedAway };
  const asked = authenticator.authenticate({
    headers,
    hostname: place.hostname,
    kv: env.KV,
    pepper: env.KEY_PEPPER,
    now: Date.now(),
  });
  // Waiting for what is there already costs a turn of the event loop, on the hottest path there is.
  const who = asked instanceof Promise ? await asked : asked;
  if ("refusal" in who) return { trouble: who.refusal };
  if (!origin) return { trouble: { kind: "unknown-path", known: pathsOf(replica) } };
  const { principal } = who;
  if (request.method !== "POST") {
    // GET and DELETE belong to sessions, and only the origin mints those.
    const inSession = (request.method === "GET" || request.method === "DELETE") && headers.has("mcp-session-id");
    if (!inSession) return { trouble: { kind: "method-not-allowed" } };
    return { origin, principal, text: "", body: undefined, scan: NO_SCAN };
  }
  const type = headers.get("content-type");
  if (type !== "application/json" && !isJson(type)) {
    return { trouble: { kind: "unsupported-media-type" } };
  }
  const read = await readBody(request, stated, maxBytes);
  if ("trouble" in read) return read;
  const scanned = scan(read.text, replica.limits.depth);
  if (scanned.tooDeep) return { trouble: { kind: "too-deep", maxDepth: replica.limits.depth } };
  try {
    return { origin, principal, text: read.text, body: JSON.parse(read.text), scan: scanned };
  } catch {
    return { trouble: { kind: "not-json" } };
  }
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
