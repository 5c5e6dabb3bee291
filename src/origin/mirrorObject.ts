import type { OriginSettings } from "../config/replica.ts";

/** The `MirrorSync` object of what `mirrorName` names, where the operator wants the origin's objects to live. */
export function mirrorObject({ MIRROR_SYNC: objects }: Cloudflare.Env, name: string, region: OriginSettings["region"]) {
  const options = region === undefined ? {} : { locationHint: region };
  return objects.get(objects.idFromName(name), options as DurableObjectNamespaceGetDurableObjectOptions);
}
