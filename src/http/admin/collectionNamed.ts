import type { Collection } from "../../config/mirror.ts";
import type { Origin } from "../../config/replica.ts";
import type { Trouble } from "../errors.ts";

/** The collection of an origin that an operator names. */
export function collectionNamed({ collections }: Origin, name: string): Collection | { trouble: Trouble } {
  return collections.get(name) ?? { trouble: { kind: "unknown-collection", known: [...collections.keys()] } };
}
