import type { Origin } from "../../config/replica.ts";
import { within } from "../../lanes/within.ts";
import { mirrorName } from "../../mirror/mirrorName.ts";
import { mirrorObject } from "../../origin/mirrorObject.ts";
import type { MirrorStatus } from "../../mirror/MirrorStatus.ts";
import { unwoken } from "../../mirror/unwoken.ts";
import { reasonOf, type Reporter } from "../../telemetry/events.ts";

/** How long an object is waited for: who scrapes waits ten seconds as a rule. */
const PATIENCE_MS = 4_000;

/** How the collections of an origin stand; `down`: those whose `MirrorSync` could not be asked, and why. */
export async function mirrorsOf(
  { settings, collections }: Origin,
  env: Cloudflare.Env,
  report: Reporter,
): Promise<{ mirror: MirrorStatus[]; down: Record<string, string> }> {
  const mirror: MirrorStatus[] = [];
  const down: Record<string, string> = {};
  const asked = [...collections.values()].map(async (collection) => {
    try {
      const object = mirrorObject(env, await mirrorName(settings, collection), settings.region);
      return (await within(PATIENCE_MS, object.status())) ?? unwoken(settings.id, collection.name);
    } catch (error) {
      const reason = reasonOf(error);
      report({ type: "mirror-unreachable", origin: settings.id, collection: collection.name, reason });
      down[collection.name] = reason;
      return undefined;
    }
  });
  for (const one of await Promise.all(asked)) if (one) mirror.push(one);
  return { mirror, down };
}
