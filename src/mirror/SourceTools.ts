import type { Bindings } from "../origin/callOrigin.ts";
import type { OwnCallTools } from "../origin/OwnCalls.ts";
import { poolIn } from "../origin/poolIn.ts";

/** What it takes to ask for rows. */
export interface SourceTools extends OwnCallTools {
  /** Where the rows of other collections are. */
  db: D1Database;
}

/** The tools of a Durable Object. */
export function sourceToolsIn(env: Cloudflare.Env, waitUntil: (work: Promise<unknown>) => void): SourceTools {
  return { bindings: env as unknown as Bindings, db: env.DB, pool: poolIn(env), waitUntil, now: Date.now };
}
