import { isModern } from "../mcp/envelope.ts";
import { isObject } from "../mcp/isObject.ts";
import { CODE } from "../mcp/names.ts";
import { LEGACY_VERSIONS } from "../mcp/versions.ts";
import type { Answer, Exchange } from "./Exchange.ts";

/** What the earlier revisions have, and the modern one has not, nor anything that could stand for it without a session. */
const WITHOUT_COUNTERPART: ReadonlySet<string> = new Set([
  "resources/subscribe",
  "resources/unsubscribe",
  "tasks/get",
  "tasks/result",
  "tasks/list",
  "tasks/cancel",
]);

/** What the modern revision has not, though an origin of the earlier ones would answer it. */
const REMOVED: ReadonlySet<string> = new Set([
  "initialize",
  "ping",
  "logging/setLevel",
  "resources/subscribe",
  "resources/unsubscribe",
  "tasks/get",
  "tasks/result",
  "tasks/list",
  "tasks/cancel",
  "tasks/update",
]);

/**
 * What the replica answers by itself, without asking or looking anything up; `undefined` for everything else. `isForeign`
 * says that the request is of an era that the origin lacks.
 */
export function local(x: Exchange, isForeign: boolean): Answer | undefined {
  const { body } = x;
  // In a session of the origin's own, everything is between caller and origin.
  if (!isObject(body) || x.session?.originId !== undefined) return undefined;
  const { id, method } = body;
  const isMessage = typeof method === "string";
  // Without a session there is nobody at the origin whom a notification, or a response, could concern.
  if (!isMessage || id === undefined) return { kind: "accepted" };
  if (isForeign && REMOVED.has(method)) return notFound(404, method);
  const version = x.headers.get("mcp-protocol-version");
  const isLegacy = !isModern(body) && (version === null || LEGACY_VERSIONS.includes(version));
  if (!isLegacy) return undefined;
  // The modern revision has none of these; there the origin says so.
  if (method === "ping" || (x.asksIn === "modern" && method === "logging/setLevel")) {
    const text = `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":{}}`;
    return { kind: "message", result: "local", status: 200, text };
  }
  if (x.asksIn !== "modern" || !WITHOUT_COUNTERPART.has(method)) return undefined;
  return notFound(200, method);
}

function notFound(status: number, method: string): Answer {
  const message = `Method not found: ${method} cannot be told to this origin in the revision of the request`;
  return {
    kind: "failure",
    failure: { kind: "rejected", status, code: CODE.methodNotFound, reason: "method-registry", message },
  };
}
