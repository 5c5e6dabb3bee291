import type { OriginSettings } from "../config/replica.ts";
import { callOrigin, type Bindings, type OriginResponse } from "./callOrigin.ts";
import type { PooledSession } from "./PooledSession.ts";

/** What an origin knows a session by. */
type SessionIds = Pick<PooledSession, "id" | "version">;

/** The headers of every message of the replica's own making to an origin of the earlier revisions. */
export const MESSAGE_HEADERS: Readonly<Record<string, string>> = {
  accept: "application/json, text/event-stream",
  "content-type": "application/json",
};

/** What makes a request one of the session. */
export function sessionHeaders({ id, version }: SessionIds): Record<string, string> {
  return { "mcp-protocol-version": version, ...(id !== undefined && { "mcp-session-id": id }) };
}

/** Sends a message into a session. */
export function postInSession(
  origin: OriginSettings,
  bindings: Bindings,
  session: SessionIds,
  body: string,
): Promise<OriginResponse> {
  const headers = { ...MESSAGE_HEADERS, ...sessionHeaders(session) };
  return callOrigin(origin, bindings, { method: "POST", headers, body });
}

/** Sends a message to which there is no answer. That it did not arrive helps nobody to know. */
export async function tellInSession(
  origin: OriginSettings,
  bindings: Bindings,
  session: SessionIds,
  body: string,
): Promise<void> {
  await discard(await postInSession(origin, bindings, session, body));
}

/** Ends a session (basic/transports). An origin that does not hear of it forgets the session in its own time. */
export async function closeSession(origin: OriginSettings, bindings: Bindings, session: SessionIds): Promise<void> {
  await discard(
    await callOrigin(origin, bindings, {
      method: "DELETE",
      headers: sessionHeaders(session),
      // Who has opened it may be gone for long.
      isNobodys: true,
    }),
  );
}

async function discard(called: OriginResponse): Promise<void> {
  if ("response" in called) await called.response.body?.cancel().catch(() => {});
}
