import { mirrorObject } from "./mirrorObject.ts";
import type { MirrorSetup } from "./MirrorSetup.ts";

/** So many at a time: each is a call. */
const MOST = 4;

/** Tells other definitions of the same collection that this one has taken their place. Which of them are still wanted they know. */
export async function retireOthers(
  env: Cloudflare.Env,
  name: string,
  { origin, collection }: MirrorSetup,
): Promise<void> {
  const { results } = await env.DB.prepare(
    "SELECT name FROM mirror WHERE origin = ?1 AND collection = ?2 AND name <> ?3 LIMIT ?4",
  )
    .bind(origin.id, collection.name, name, MOST)
    .all<{ name: string }>();
  await Promise.all(results.map((other) => mirrorObject(env, other.name, origin.region).retire()));
}
