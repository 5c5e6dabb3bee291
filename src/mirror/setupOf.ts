import type { Collection } from "../config/mirror.ts";
import { impersonal } from "../config/originAuth.ts";
import type { Origin } from "../config/replica.ts";
import type { MirrorSetup } from "./MirrorSetup.ts";

/** What the `MirrorSync` of a collection is told of it; `eras`: what is known of those that the origin speaks. */
export function setupOf(origin: Origin, collection: Collection, eras: MirrorSetup["eras"] = {}): MirrorSetup {
  const { settings, listens, collections } = origin;
  const { from } = collection;
  const each = from.kind === "each" ? collections.get(from.each) : undefined;
  const { modern, legacy, version } = eras;
  return {
    origin: impersonal(settings),
    collection,
    ...(each && { each }),
    among: [...collections.keys()],
    listens,
    eras: {
      ...(modern !== undefined && { modern }),
      ...(legacy !== undefined && { legacy }),
      ...(version !== undefined && { version }),
    },
  };
}
