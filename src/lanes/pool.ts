import { digest } from "../cache/key.ts";
import { metaOf } from "../mcp/envelope.ts";
import { PooledCall } from "../origin/PooledCall.ts";
import { poolIn } from "../origin/poolIn.ts";
import { reasonOf } from "../telemetry/events.ts";
import type { Exchange } from "./Exchange.ts";
import { knownEras } from "./eras.ts";

/** Whether the origin is asked in a session that the replica has opened: for callers who know no sessions, where it wants them. */
export function isPooled(x: Exchange): boolean {
  return x.asksIn === "legacy" && knownEras(x).legacy === "sessions";
}

/** Whose pooled session it is. No two principals have one together, nor two configurations of the origin. */
export function poolName({ origin, principal }: Exchange): Promise<string> {
  return digest(JSON.stringify([origin.settings.identity, principal]));
}

/** The request as a call in its principal's session. */
export async function pooledCall(x: Exchange): Promise<PooledCall> {
  const { settings: origin } = x.origin;
  const name = await poolName(x);
  const failed = (error: unknown) => x.report({ type: "store-failed", operation: "get", reason: reasonOf(error) });
  const ask = poolIn(x.env, failed);
  const { id } = x.body as { id: string | number };
  const token = metaOf(x.body)?.["progressToken"];
  return new PooledCall({
    origin,
    bindings: x.env as unknown as Record<string, unknown>,
    session: (over) => x.isolate.pooled.find({ origin, name, ...(over && { over }) }, ask, x.now()),
    caller: { id, ...((typeof token === "string" || typeof token === "number") && { token }) },
    waitUntil: x.waitUntil,
  });
}
