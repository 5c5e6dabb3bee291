import { withoutScopes } from "../access/payer.ts";
import type { Exchange } from "./Exchange.ts";

/** Whose an operation is: the caller's, whatever it has been granted since. */
export function ownerOf({ principal }: Pick<Exchange, "principal">): string {
  return withoutScopes(principal);
}
