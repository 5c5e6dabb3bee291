import { withId } from "./withId.ts";
import { withValue } from "./withValue.ts";

/** The names of one call in a session that several share: there, what the caller chose might be another's as well. */
export interface CallNames {
  /** The JSON-RPC id. */
  id: string | number;
  /** The progress token; absent where the caller wants no progress. */
  token?: string | number | undefined;
}

/** A request with these names instead of the caller's. */
export function renamed(request: string, { id, token }: CallNames): string {
  const told = withId(request, id);
  return token === undefined ? told : withValue(told, ["params", "_meta", "progressToken"], JSON.stringify(token));
}
