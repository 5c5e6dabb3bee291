import { originSync } from "./originSync.ts";
import type { PoolReply, PoolRequest } from "./PooledSession.ts";

/** Asks the pool of an origin, which is in its `OriginSync`. Never throws: `failed` gets what went wrong. */
export function poolIn(
  env: Cloudflare.Env,
  failed: (error: unknown) => void = () => {},
): (request: PoolRequest) => Promise<PoolReply> {
  return async (request) => {
    try {
      return await originSync(env, request.origin).pooledSession(request);
    } catch (error) {
      failed(error);
      return { failure: { kind: "unreachable" } };
    }
  };
}
