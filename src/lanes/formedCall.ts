import { eraClaimed, metaOf } from "../mcp/envelope.ts";
import { isObject } from "../mcp/isObject.ts";
import { ladder } from "../mcp/ladder.ts";
import { onlyObserves } from "../mcp/meta.ts";
import { CODE, META_IDEMPOTENCY_KEY } from "../mcp/names.ts";
import { acceptsBoth, recognise, type Call } from "../mcp/recognise.ts";
import { isSoundMeta } from "../mcp/soundMeta.ts";
import type { Exchange, Failure } from "./Exchange.ts";
import { invalid } from "./forbidden.ts";

/** What else may stand in `_meta`: of what is sent later, no vendor's word on where its user is changes anything. */
const KNOWN: readonly string[] = [META_IDEMPOTENCY_KEY, "openai/*"];
/** Of a name in a sentence. */
const MAX_TOLD = 200;

/**
 * The call of a tool whose calls go through the outbox. One that is not perfectly formed is refused, whatever the origin would
 * make of it: as it came it would go round the others, in no order, and twice where it comes twice.
 */
export function formedCall(x: Exchange): Call | { failure: Failure } {
  const ignored = [...KNOWN, ...x.replica.ignoreMeta];
  const call = x.scan.exact ? recognise(x.body, x.headers, ignored, x.session) : undefined;
  return call ?? { failure: wrongWith(x, ignored) };
}

function wrongWith(x: Exchange, ignored: readonly string[]): Failure {
  const { body, headers } = x;
  const wrong = ladder(body, headers);
  if (wrong) return { kind: "rejected", ...wrong };
  const { id } = body as { id?: unknown };
  if (typeof id !== "string" && !Number.isSafeInteger(id)) {
    const message = "Invalid Request: id must be a string or an integer, for the call goes through a queue";
    return { kind: "rejected", status: 400, code: CODE.invalidRequest, reason: "jsonrpc-shape", message };
  }
  if (!acceptsBoth(headers.get("accept"))) {
    const message = "Not Acceptable: Accept must name application/json and text/event-stream";
    return { kind: "rejected", status: 406, code: CODE.invalidRequest, reason: "accept", message };
  }
  return invalid(body, `${whatOf(x, ignored)}. Calls of this tool go through a queue: nothing was sent to the origin`);
}

function whatOf({ body, scan, headers }: Exchange, ignored: readonly string[]): string {
  if (!scan.exact) return "a number is not one that a double holds as it is written; send it as a string";
  const { params } = body as { params: Record<string, unknown> };
  const more = Object.keys(params).find((key) => key !== "name" && key !== "arguments" && key !== "_meta");
  if (more !== undefined) return `params.${more.slice(0, MAX_TOLD)} cannot be kept`;
  if (params["arguments"] !== undefined && !isObject(params["arguments"])) return "arguments must be an object";
  const meta = metaOf(body) ?? {};
  if (params["_meta"] !== undefined && (!isObject(params["_meta"]) || !isSoundMeta(meta)))
    return "_meta is not formed as the protocol has it";
  const key = Object.keys(meta).find((one) => !onlyObserves({ [one]: 1 }, ignored));
  if (key !== undefined)
    return `_meta["${key.slice(0, MAX_TOLD)}"] cannot be kept (the operator can have it passed over with ignoreMeta)`;
  return `the message is not one of the ${eraClaimed(body, headers)} revision that the headers name`;
}
