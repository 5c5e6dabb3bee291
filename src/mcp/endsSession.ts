import { errorCode } from "./errorCode.ts";
import { messageIn } from "./messageIn.ts";
import { CODE } from "./names.ts";

/** Errors of what was asked for; others, such as -32000 and -32001, are of the transport, which some servers tell under the request's id too. */
const OF_REQUESTS: ReadonlySet<unknown> = new Set([
  CODE.methodNotFound,
  CODE.invalidParams,
  CODE.internal,
  CODE.resourceNotFound,
]);

/**
 * Whether a response says that the session of the request with this id is over: 404 does (basic/transports), and 400
 * may, for many servers say so of a session that they do not know. An answer to the request itself says nothing of it.
 */
export function endsSession(status: number, body: string, id: string | number): "yes" | "perhaps" | "no" {
  if (status !== 404 && status !== 400) return "no";
  const message = messageIn(body);
  const isAnswer = message?.["result"] !== undefined || OF_REQUESTS.has(errorCode(body));
  if (isAnswer && message?.["id"] === id) return "no";
  return status === 404 ? "yes" : "perhaps";
}
