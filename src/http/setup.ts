import { isLimiter } from "../access/askLimiter.ts";
import { secretProblem } from "../cache/Vault.ts";
import type { Replica } from "../config/replica.ts";
import type { Bindings } from "../origin/callOrigin.ts";

/** What the operator has yet to provide besides the configuration. */
export interface Setup {
  /** The names of secrets and bindings that the configuration needs and that are not there: somebody is refused for that. Sorted. */
  missing: string[];
  /** What the replica does without meanwhile, a sentence each. */
  warnings: string[];
}

/** Holds what the configuration names against what the Worker was given. */
export function setupOf({ access, limits, origins }: Replica, env: Bindings): Setup {
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
  for (const name of limiters) if (name !== undefined && !isLimiter(env[name])) missing.add(name);
  const problem = secretProblem(env["ENTRY_SECRET"] as string | undefined);
  if (problem !== undefined) warnings.push(problem);
  return { missing: [...missing].toSorted(), warnings };
}
