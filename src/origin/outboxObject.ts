import type { OriginSettings } from "../config/replica.ts";

/** The `Outbox` object of an origin, where the operator wants it to live. */
export function outboxObject(
  { OUTBOX: objects }: Cloudflare.Env,
  { id, region }: Pick<OriginSettings, "id" | "region">,
) {
  const options = region === undefined ? {} : { locationHint: region };
  return objects.get(objects.idFromName(id), options as DurableObjectNamespaceGetDurableObjectOptions);
}
