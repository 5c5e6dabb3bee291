import { isObject } from "../mcp/isObject.ts";
import { metaOf } from "../mcp/envelope.ts";
import { META_IDEMPOTENCY_KEY } from "../mcp/names.ts";
import type { Exchange, Failure } from "./Exchange.ts";

const UNSUPPORTED: Failure = { kind: "idempotency-unsupported" };

/**
 * Why a call is not relayed that carries an idempotency key in its `_meta`: nobody would keep it, and its caller would call
 * again in the belief that somebody does. The header is another matter: clients and proxies send it whatever they talk to.
 */
export function unsupportedKey({ body }: Pick<Exchange, "body">): Failure | undefined {
  if (!isObject(body) || body["method"] !== "tools/call") return undefined;
  const meta = metaOf(body);
  return meta && Object.hasOwn(meta, META_IDEMPOTENCY_KEY) ? UNSUPPORTED : undefined;
}
