import { isLimiter } from "../access/askLimiter.ts";
import { secretProblem } from "../cache/Vault.ts";
import type { Replica } from "../config/replica.ts";
import type { Bindings } from "../origin/callOrigin.ts";
import type { Lacks } from "./Lacks.ts";

/** Holds what the configuration names against what the Worker was given. */
export function lacksOf({ access, limits, origins }: Replica, env: Bindings): Lacks {
  const isSecret = (name: string) => typeof env[name] === "string" && env[name] !== "";
  const missing = new Set<string>();
  const warnings: string[] = [];
  if (access.keys && !isSecret("KEY_PEPPER")) missing.add("KEY_PEPPER");
  const limiters = [limits.edge, limits.origin];
  for (const [id, { settings, toolLimiters, webhookSecret }] of origins) {
    const { auth, endpoint } = settings;
    if (auth && auth.kind !== "forward" && !isSecret(auth.secret)) missing.add(auth.secret);
    if ("service" in endpoint && !env[endpoint.service]) missing.add(endpoint.service);
    if (webhookSecret !== undefined && !isSecret(webhookSecret))
      warnings.push(`The secret ${webhookSecret} is not set: the webhook of ${id} takes nothing.`);
    limiters.push(...toolLimiters);
  }
  if (isMirrored({ origins })) warnings.push(...mirrorLacks(env));
  for (const name of limiters) if (name !== undefined && !isLimiter(env[name])) missing.add(name);
  const problem = secretProblem(env["ENTRY_SECRET"] as string | undefined);
  if (problem !== undefined) warnings.push(problem);
  return { missing: [...missing].toSorted(), warnings };
}

/** Whether anything is mirrored. */
export function isMirrored({ origins }: Pick<Replica, "origins">): boolean {
  return [...origins.values()].some(({ collections }) => collections.size > 0);
}

/** Without its database or its objects nothing is mirrored; the origins are asked instead. */
function mirrorLacks(env: Bindings): string[] {
  const lacks: string[] = [];
  if (!env["DB"]) {
    lacks.push(
      "No D1 database is bound as DB: nothing is mirrored. Make one with `npx wrangler d1 create mcp-edge-replica`, bind it in wrangler.toml as [[d1_databases]], and run `npx wrangler d1 migrations apply DB --remote`.",
    );
  }
  if (!env["MIRROR_SYNC"]) {
    lacks.push(
      "No Durable Object is bound as MIRROR_SYNC: nothing is mirrored. Bind the class MirrorSync in wrangler.toml, as it is in the one that comes with the replica.",
    );
  }
  return lacks;
}
