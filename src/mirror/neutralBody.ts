import { isNeutral, resultMembers } from "../cache/resultMembers.ts";
import { isNoStore } from "./isNoStore.ts";

/**
 * The members of a reply's result in neutral form, as in `Entry.body`, without those named. `undefined` where it must not
 * be kept, or nobody can tell what it says.
 */
export function neutralBody(reply: string, result: Record<string, unknown>, without?: string): string | undefined {
  if (isNoStore(result)) return undefined;
  return resultMembers(reply)
    ?.filter(({ key }) => key !== without && isNeutral(key, true))
    .map(({ start, end }) => reply.slice(start, end))
    .join(",");
}
