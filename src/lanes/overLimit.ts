import { tollOf, type Toll } from "../access/askLimiter.ts";
import { charge } from "../origin/charge.ts";
import type { OriginFailure } from "../origin/failure.ts";
import { boundsIn } from "./boundsOf.ts";
import type { Exchange, Failure } from "./Exchange.ts";

/** What a call pays that reaches the origin; `undefined` where nothing is counted. */
export async function originToll(x: Exchange): Promise<Toll | undefined> {
  const limiter = isFree(x) ? undefined : x.replica.limits.origin;
  const payer = limiter === undefined ? undefined : x.payer();
  return payer === undefined ? undefined : tollOf(limiter!, ["origin", x.origin.settings.id], payer);
}

/** To end a session is free. Where the origin lets nobody end one, to ask for it again and again is not. */
function isFree({ httpMethod, sessionId, isolate }: Exchange): boolean {
  const known = httpMethod === "DELETE" && sessionId !== undefined ? isolate.sessions.get(sessionId) : undefined;
  if (!known || known.isLeft) return false;
  known.isLeft = true;
  return true;
}

/** Counts a call that is about to reach the origin; why it may not, where it may not. */
export async function overOriginLimit(x: Exchange): Promise<OriginFailure | undefined> {
  const toll = await originToll(x);
  return toll && charge(x.env as unknown as Record<string, unknown>, toll, x.report);
}

/**
 * Counts a call of a tool that has a limit of its own, wherever its answer may come from; why it is not served, where it is
 * one too many. `undefined` at once where nothing is counted.
 */
export function overToolLimit(x: Exchange): Promise<Failure | undefined> | undefined {
  const bounds = boundsIn(x.origin, x.body);
  const payer = bounds?.limiter === undefined ? undefined : x.payer();
  if (payer === undefined) return undefined;
  const { limiter, name } = bounds!;
  const count = async () => {
    const toll = await tollOf(limiter!, ["tool", x.origin.settings.id, name], payer);
    const failure = await charge(x.env as unknown as Record<string, unknown>, toll, x.report);
    return failure && overLimit(failure, name);
  };
  return count();
}

/** A limit other than that of the calls that reach the origin, as its callers are told of it. */
export function overLimit(failure: OriginFailure, tool?: string): Failure {
  if (failure.kind !== "limited") return { kind: "origin", failure };
  const { retryAfterMs } = failure;
  return { kind: "over-limit", retryAfterMs, ...(tool !== undefined && { tool }) };
}
