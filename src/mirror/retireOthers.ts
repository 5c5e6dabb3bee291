import { mirrorObject } from "../origin/mirrorObject.ts";
import type { MirrorSetup } from "./MirrorSetup.ts";

/** So many at a time: each is a call. */
const MOST = 4;

/**
 * Tells other definitions of the same collection that this one has taken their place, and collections that the configuration
 * does not name any more that they have none. Which of them are still wanted they know.
 */
export async function retireOthers(
  env: Cloudflare.Env,
  name: string,
  { origin, collection, among }: MirrorSetup,
): Promise<void> {
  const { results } = await env.DB.prepare(
    `SELECT name FROM mirror WHERE origin = ?1 AND name <> ?3
     AND (collection = ?2 OR collection NOT IN (SELECT value FROM json_each(?5))) LIMIT ?4`,
  )
    .bind(origin.id, collection.name, name, MOST, JSON.stringify(among))
    .all<{ name: string }>();
  await Promise.all(results.map((other) => mirrorObject(env, other.name, origin.region).retire()));
}
