import { messageIn } from "./messageIn.ts";

/**
 * Whether a response says that the session of the request with this id is over: 404 does (basic/transports), and 400
 * may, for many servers say so of a session that they do not know. An answer to the request itself says nothing of it.
 */
export function endsSession(status: number, body: string, id: string | number): "yes" | "perhaps" | "no" {
  if ((status !== 404 && status !== 400) || messageIn(body)?.["id"] === id) return "no";
  return status === 404 ? "yes" : "perhaps";
}
