import { tollOf } from "../access/askLimiter.ts";
import type { Payer } from "../access/payer.ts";
import type { Failure } from "../lanes/Exchange.ts";
import { overLimit } from "../lanes/overLimit.ts";
import { charge } from "../origin/charge.ts";
import type { Incoming, Serving } from "./Incoming.ts";

/**
 * Counts requests of a caller, of whatever kind; why they are not served, where they are too many. `undefined` at once
 * where nobody counts them, as on loopback.
 */
export function edgeLimit(
  { replica, report }: Serving,
  { env }: Pick<Incoming, "env">,
  payer: () => Payer,
  requests = 1,
): Promise<Failure | undefined> | undefined {
  const limiter = replica.limits.edge;
  const counted = limiter === undefined || requests === 0 ? undefined : payer();
  if (counted === undefined) return undefined;
  const count = async () => {
    const toll = await tollOf(limiter!, ["edge"], counted);
    const one = () => charge(env as unknown as Record<string, unknown>, toll, report);
    const failures = await Promise.all(Array.from({ length: requests }, one));
    const failure = failures.find((one) => one !== undefined);
    return failure && overLimit(failure);
  };
  return count();
}
