import canonicalize from "canonicalize";
import { digest } from "../cache/key.ts";
import type { Collection } from "../config/mirror.ts";
import type { OriginSettings } from "../config/replica.ts";

/** Another one where rows of earlier definitions could not be read any more. */
const FORMAT = 1;

/**
 * The name of a collection as it is defined: its row in `mirror`, its tables and its `MirrorSync` go by it. With another
 * definition, or another endpoint or credential of the origin, it is another one, so that the Worker's versions do not get
 * into each other's way. Who may read it, how often it is pulled and which tools it answers makes no difference.
 */
export async function mirrorName(
  { id, identity }: Pick<OriginSettings, "id" | "identity">,
  { name, from, key, columns, indexes, search }: Collection,
): Promise<string> {
  const definition = canonicalize([FORMAT, identity, from, key, columns, indexes, search ?? null])!;
  return `${id}/${name}#${(await digest(definition)).slice(0, 12)}`;
}
