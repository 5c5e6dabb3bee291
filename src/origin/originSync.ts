import type { OriginSettings } from "../config/replica.ts";
import { ownId } from "../config/tenant.ts";

/** The `OriginSync` object of an origin, where the operator wants it to live. */
export function originSync(
  { ORIGIN_SYNC: objects }: Cloudflare.Env,
  { id, region }: Pick<OriginSettings, "id" | "region">,
) {
  const options = region === undefined ? {} : { locationHint: region };
  return objects.get(objects.idFromName(id), options as DurableObjectNamespaceGetDurableObjectOptions);
}

/**
 * The object that has the replica's own token at the origin: one for all tenants' worlds, as a refresh token that is
 * renewed in two places is good in neither.
 */
export function tokenSync(env: Cloudflare.Env, { id, region }: OriginSettings) {
  return originSync(env, { id: ownId(id), region });
}
