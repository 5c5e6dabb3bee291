import type { OriginSettings } from "../config/replica.ts";
import { initializeRequest } from "../mcp/initializeRequest.ts";
import { isObject } from "../mcp/isObject.ts";
import { messageIn } from "../mcp/messageIn.ts";
import { newId } from "../telemetry/newId.ts";
import { callOrigin, type Bindings } from "./callOrigin.ts";
import { MESSAGE_HEADERS, tellInSession } from "./inSession.ts";
import type { PoolReply } from "./PooledSession.ts";
import { readReply } from "./readReply.ts";

const MAX_BYTES = 1_048_576;
const OPENING_ID = 1;
const INITIALIZED = JSON.stringify({ jsonrpc: "2.0", method: "notifications/initialized" });

/** Opens a session at the origin in the replica's own name, with nothing declared. */
export async function openSession(origin: OriginSettings, bindings: Bindings): Promise<PoolReply> {
  const body = initializeRequest(OPENING_ID);
  const called = await callOrigin(origin, bindings, { method: "POST", headers: MESSAGE_HEADERS, body });
  if ("failure" in called) return called;
  const reply = await readReply(called.response, { id: OPENING_ID, maxBytes: MAX_BYTES, totalMs: origin.totalMs });
  if ("failure" in reply) return reply;
  const result = "text" in reply && reply.status === 200 ? messageIn(reply.text)?.["result"] : undefined;
  const version = isObject(result) ? result["protocolVersion"] : undefined;
  if (!("text" in reply) || typeof version !== "string") {
    return { failure: { kind: "garbage", detail: "it does not initialize" } };
  }
  const { sessionId: id } = reply;
  const session = { serial: newId(), version, ...(id !== undefined && { id }) };
  await tellInSession(origin, bindings, session, INITIALIZED);
  return { session, isNew: true };
}
