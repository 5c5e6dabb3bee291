import { isModern } from "../mcp/envelope.ts";
import { isObject } from "../mcp/isObject.ts";
import { LEGACY_VERSIONS } from "../mcp/versions.ts";
import type { Answer, Exchange } from "./Exchange.ts";

/** What the replica answers by itself, without asking or looking anything up; `undefined` for everything else. */
export function local(x: Exchange): Answer | undefined {
  const { body } = x;
  // In a session of the origin's own, everything is between caller and origin.
  if (!isObject(body) || x.session?.originId !== undefined) return undefined;
  const { id, method } = body;
  const isMessage = typeof method === "string";
  // Without a session there is nobody at the origin whom a notification, or a response, could concern.
  if (!isMessage || id === undefined) return { kind: "accepted" };
  const version = x.headers.get("mcp-protocol-version");
  const isLegacy = !isModern(body) && (version === null || LEGACY_VERSIONS.includes(version));
  // The modern revision has no ping; there the origin says so.
  if (method !== "ping" || !isLegacy) return undefined;
  return {
    kind: "message",
    result: "local",
    status: 200,
    text: `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":{}}`,
  };
}
