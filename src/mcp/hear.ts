import type { CallNames } from "./CallNames.ts";
import { isObject } from "./isObject.ts";
import { messageIn } from "./messageIn.ts";
import { withId } from "./withId.ts";
import { withValue } from "./withValue.ts";

/** What a message in a shared session is to one call. */
export type Heard =
  /** The answer to it, with the caller's id. */
  | { kind: "response"; text: string }
  /** What the caller is told on the way, with its token. */
  | { kind: "notification"; text: string }
  /** The origin asks something of the client. */
  | { kind: "request"; id: string | number; method: string }
  /** Another call's, or nothing that is told in a call. */
  | { kind: "nothing" };

const NOTHING: Heard = { kind: "nothing" };

/** Notifications that concern the session, or a request of the origin; not the call in whose stream they come. */
const OF_SESSION: ReadonlySet<string> = new Set([
  "notifications/cancelled",
  "notifications/tools/list_changed",
  "notifications/prompts/list_changed",
  "notifications/resources/list_changed",
  "notifications/resources/updated",
  "notifications/tasks/status",
  "notifications/elicitation/complete",
]);

/** What a message is to the call that has these names in the session, told with the `caller`'s. */
export function hear(text: string, inSession: CallNames, caller: CallNames): Heard {
  const message = messageIn(text);
  if (message === undefined) return NOTHING;
  const { method, id, params } = message;
  if (typeof method !== "string") {
    const isResponse = message["result"] !== undefined || message["error"] !== undefined;
    return isResponse && id === inSession.id ? { kind: "response", text: withId(text, caller.id) } : NOTHING;
  }
  if (id !== undefined) {
    // Under an id that is none it cannot be answered.
    return typeof id === "string" || typeof id === "number" ? { kind: "request", id, method } : NOTHING;
  }
  if (OF_SESSION.has(method)) return NOTHING;
  if (method !== "notifications/progress") return { kind: "notification", text };
  const isOwn = inSession.token !== undefined && isObject(params) && params["progressToken"] === inSession.token;
  if (!isOwn || caller.token === undefined) return NOTHING;
  return { kind: "notification", text: withValue(text, ["params", "progressToken"], JSON.stringify(caller.token)) };
}
