import { isOfTenant } from "../config/tenant.ts";
import type { Collection } from "../config/mirror.ts";
import { mirrorName } from "../mirror/mirrorName.ts";
import { mirrorObject } from "../origin/mirrorObject.ts";
import { setupOf } from "../mirror/setupOf.ts";
import { mayBeOfRow } from "../mirror/rowTags.ts";
import { reasonOf } from "../telemetry/events.ts";
import { knownEras } from "./eras.ts";
import type { Exchange } from "./Exchange.ts";
import type { KnownMirror } from "./Mirrors.ts";

/** While all is well an object hears of this isolate this often. */
const EVERY_MS = 600_000;
/** While there is nothing to answer from, this often. */
const MISSED_MS = 10_000;

/** Lets the objects of all that is mirrored of the origin know that there is traffic, in the background, now and then. */
export function wakeMirrors(x: Exchange): void {
  const { collections, settings } = x.origin;
  if (collections.size === 0 || isOfTenant(settings.id) || !x.replica.enabled) return;
  const work = async () => {
    for (const collection of collections.values()) wake(x, await knownMirror(x, collection));
  };
  const isDue = [...collections.values()].some(
    (collection) => x.now() - (x.isolate.mirrors.get(collection)?.wokenAt ?? 0) >= EVERY_MS,
  );
  if (isDue) x.waitUntil(work());
}

/** What this isolate knows of a collection. At once where it has been met before. */
export function knownMirror(x: Exchange, collection: Collection): KnownMirror | Promise<KnownMirror> {
  const { mirrors } = x.isolate;
  const named = (name: string) => mirrors.add({ name, collection, mayBeOfRow: mayBeOfRow(collection) });
  return mirrors.get(collection) ?? mirrorName(x.origin.settings, collection).then(named);
}

/** Lets the object of a mirror know of this isolate, in the background, where that is due; sooner where there was nothing to answer from. */
export function wake(x: Exchange, known: KnownMirror, isMissed = false): void {
  const now = x.now();
  if (now - known.wokenAt < (isMissed ? MISSED_MS : EVERY_MS)) return;
  known.wokenAt = now;
  const { collection, name } = known;
  const { settings } = x.origin;
  const work = async () => {
    try {
      await mirrorObject(x.env, name, settings.region).wake(setupOf(x.origin, collection, knownEras(x)), isMissed);
    } catch (error) {
      known.wokenAt = x.now() - EVERY_MS + MISSED_MS;
      x.report({ type: "sync-failed", operation: "wake", origin: settings.id, reason: reasonOf(error) });
    }
  };
  x.waitUntil(work());
}

/** There was nothing to answer from: their objects are told, and nothing is asked of them for a moment. */
export function miss(x: Exchange, mirrors: readonly KnownMirror[]): void {
  for (const known of mirrors) {
    x.isolate.mirrors.absent(known, x.now());
    wake(x, known, true);
  }
}
