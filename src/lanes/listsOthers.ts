import { ANONYMOUS } from "../access/Caller.ts";
import { isPersonal } from "../config/originAuth.ts";
import { isObject } from "../mcp/isObject.ts";
import type { Exchange } from "./Exchange.ts";

/**
 * Whether a message asks for the tasks of all whom the origin takes for one. It is asked with the replica's credential, so
 * that is everybody; but for who is in a session of the origin's, or is asked for with a credential of its own. Where
 * anybody may call, nobody has tasks to themselves.
 */
export function listsOthers({ body, principal, session, origin }: Exchange): boolean {
  if (principal === ANONYMOUS || !isObject(body) || body["method"] !== "tasks/list") return false;
  return session?.originId === undefined && !isPersonal(origin.settings);
}
