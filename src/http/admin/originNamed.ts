import type { Origin, Replica } from "../../config/replica.ts";
import type { Trouble } from "../errors.ts";

/** The origin that an operator names, or the one that goes without saying. */
export function originNamed(
  { origins, defaultOrigin }: Replica,
  id: string | undefined,
): Origin | { trouble: Trouble } {
  const origin = id === undefined ? defaultOrigin : origins.get(id);
  return origin ?? { trouble: { kind: "unknown-origin", known: [...origins.keys()] } };
}
