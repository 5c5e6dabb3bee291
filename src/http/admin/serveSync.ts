import type { Collection } from "../../config/mirror.ts";
import type { Origin, Replica } from "../../config/replica.ts";
import { storedEras } from "../../lanes/eras.ts";
import type { Isolate } from "../../lanes/Exchange.ts";
import { within } from "../../lanes/within.ts";
import { mirrorName } from "../../mirror/mirrorName.ts";
import { mirrorObject } from "../../origin/mirrorObject.ts";
import type { MirrorStatus } from "../../mirror/MirrorStatus.ts";
import { setupOf } from "../../mirror/setupOf.ts";
import { unwoken } from "../../mirror/unwoken.ts";
import { reasonOf, type Reporter } from "../../telemetry/events.ts";
import type { Trouble } from "../errors.ts";
import { readBody } from "../readBody.ts";
import { PATIENCE_MS } from "./askSync.ts";
import { originNamed } from "./originNamed.ts";
import { respondJson } from "./respondJson.ts";
import { parseSync } from "./syncRequest.ts";

const MAX_BYTES = 65_536;

/** What having collections pulled needs. */
export interface Mirroring {
  replica: Replica;
  isolate: Pick<Isolate, "eras">;
  report: Reporter;
}

/** Serves `POST /admin/sync`: has a collection of an origin, or all, pulled now, and says how they stand. */
export async function serveSync(mirroring: Mirroring, request: Request, env: Cloudflare.Env): Promise<Response> {
  return respondJson(await sync(mirroring, request, env), mirroring.report, "/admin/sync");
}

async function sync(
  mirroring: Mirroring,
  request: Request,
  env: Cloudflare.Env,
): Promise<{ origin: string; mirrors: MirrorStatus[] } | { trouble: Trouble }> {
  if (request.method !== "POST") return { trouble: { kind: "method-not-allowed" } };
  const read = await readBody(request, null, MAX_BYTES);
  if ("trouble" in read) return read;
  const parsed = parseSync(read.text);
  if ("detail" in parsed) return { trouble: { kind: "bad-sync", detail: parsed.detail } };
  const origin = originNamed(mirroring.replica, parsed.origin);
  if ("trouble" in origin) return origin;
  const { collections, settings } = origin;
  const named = parsed.collection === undefined ? [...collections.keys()] : [parsed.collection];
  const wanted = named.flatMap((name) => collections.get(name) ?? []);
  if (wanted.length === 0) return { trouble: { kind: "unknown-collection", known: [...collections.keys()] } };
  try {
    const begun = wanted.map((collection) => begin(mirroring, origin, collection, env));
    return { origin: settings.id, mirrors: await within(PATIENCE_MS, Promise.all(begun)) };
  } catch (error) {
    return { trouble: { kind: "mirror-sync-unavailable", reason: reasonOf(error) } };
  }
}

async function begin(
  { isolate, report }: Mirroring,
  origin: Origin,
  collection: Collection,
  env: Cloudflare.Env,
): Promise<MirrorStatus> {
  const { settings } = origin;
  const eras = isolate.eras.get(settings.id)?.eras ?? (await storedEras(env, settings).catch(() => null));
  try {
    const object = mirrorObject(env, await mirrorName(settings, collection), settings.region);
    await object.wake(setupOf(origin, collection, eras ?? {}));
    return (await object.pull()) ?? unwoken(settings.id, collection.name);
  } catch (error) {
    const reason = reasonOf(error);
    report({ type: "mirror-unreachable", origin: settings.id, collection: collection.name, reason });
    throw error;
  }
}
