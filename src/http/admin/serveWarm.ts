import { NOBODY } from "../../access/payer.ts";
import type { Caller } from "../../access/Caller.ts";
import { policyOf } from "../../config/policy.ts";
import type { Origin } from "../../config/replica.ts";
import { warm, type Warmed } from "../../lanes/warm.ts";
import { CLIENT_INFO } from "../../mcp/clientInfo.ts";
import { encodeHeaderValue } from "../../mcp/headerValue.ts";
import { META_CAPABILITIES, META_CLIENT_INFO, META_VERSION } from "../../mcp/names.ts";
import { continueTrace } from "../../mcp/trace.ts";
import { MODERN_VERSION } from "../../mcp/versions.ts";
import { reasonOf } from "../../telemetry/events.ts";
import { newId } from "../../telemetry/newId.ts";
import { wireError, type Trouble } from "../errors.ts";
import type { Incoming, Serving } from "../Incoming.ts";
import { nobody } from "../nobody.ts";
import { parseBody } from "../parseBody.ts";
import { placeOf } from "../place.ts";
import { readBody } from "../readBody.ts";
import { exchange } from "../serveMcp.ts";
import { inTurns } from "./inTurns.ts";
import { originNamed } from "./originNamed.ts";
import { respondJson } from "./respondJson.ts";
import { parseWarm } from "./warmRequest.ts";

const MAX_BYTES = 1_048_576;
/** How many calls are under way at once, so that the origin has room for its callers. */
const AT_ONCE = 4;
/** Whose calls they are. Nobody else is called so. */
const OPERATOR: Caller = { principal: "operator" };

/** What warming needs. */
export interface WarmServing {
  serving: Serving;
  /** What the isolate knows of an origin. */
  endpointOf: (origin: Origin) => Omit<Incoming, "request" | "headers" | "place" | "page" | "env" | "waitUntil">;
}

/** What came of each call, in their order. */
export interface WarmReport {
  origin: string;
  tool: string;
  results: WarmResult[];
}

/** `hit` and `stale`: the answer was there; `miss`: it was asked for, and is now; `failed`: it is not. */
export interface WarmResult {
  result: "hit" | "stale" | "miss" | "failed";
  error?: { code: string; message: string };
}

/** Serves `POST /admin/warm`: sees to it that the answers to calls of a tool are kept before anybody asks. */
export async function serveWarm(
  warming: WarmServing,
  request: Request,
  env: Cloudflare.Env,
  waitUntil: Incoming["waitUntil"],
): Promise<Response> {
  return respondJson(await warmAll(warming, request, env, waitUntil), warming.serving.report, "/admin/warm");
}

async function warmAll(
  { serving, endpointOf }: WarmServing,
  request: Request,
  env: Cloudflare.Env,
  waitUntil: Incoming["waitUntil"],
): Promise<WarmReport | { trouble: Trouble }> {
  const { replica } = serving;
  if (request.method !== "POST") return { trouble: { kind: "method-not-allowed" } };
  const read = await readBody(request, null, MAX_BYTES);
  if ("trouble" in read) return read;
  const asked = parseWarm(read.text, replica.limits.depth);
  if ("detail" in asked) return { trouble: { kind: "bad-warm", detail: asked.detail } };
  const { tool } = asked;
  const origin = originNamed(replica, asked.origin);
  if ("trouble" in origin) return origin;
  const pointless = whyNot(origin, tool, replica.enabled);
  if (pointless) return { trouble: { kind: pointless, tool } };

  const place = placeOf(request.url);
  const incoming = { ...endpointOf(origin), request, headers: headersFor(tool), place, page: null, env, waitUntil };
  const results = await inTurns(asked.arguments, AT_ONCE, (args) => warmOne(serving, incoming, origin, tool, args));
  return { origin: origin.settings.id, tool, results };
}

/** Why keeping answers of a tool would be of no use to anybody. */
function whyNot(origin: Origin, tool: string, enabled: boolean): "warm-not-cached" | "warm-private" | undefined {
  const policy = policyOf(origin, "tools/call", tool);
  if (!enabled || !("rule" in policy)) return "warm-not-cached";
  return policy.rule.scope === "private" ? "warm-private" : undefined;
}

async function warmOne(
  serving: Serving,
  incoming: Incoming,
  origin: Origin,
  tool: string,
  args: Record<string, unknown>,
): Promise<WarmResult> {
  const { replica, report } = serving;
  const trace = continueTrace([], newId);
  const { correlationId } = trace;
  const failed = (trouble: Trouble): WarmResult => {
    const { code, body } = wireError(trouble, { ...nobody(), correlationId });
    const { error } = JSON.parse(body) as { error: { message: string } };
    return { result: "failed", error: { code, message: error.message } };
  };
  const parsed = parseBody(bodyFor(tool, args), replica.limits.depth);
  if ("trouble" in parsed) return failed(parsed.trouble);
  const admitted = { origin, caller: OPERATOR, length: null };
  const word = (trouble: Trouble) => wireError(trouble, nobody()).body;
  // What the tool wants mirrored in headers differs from call to call.
  const own = { ...incoming, headers: new Headers(incoming.headers) };
  try {
    const warmed = await warm(
      exchange(serving, own, admitted, parsed, { httpMethod: "POST", trace, word, payer: NOBODY }),
    );
    return resultOf(warmed, tool, failed);
  } catch (error) {
    report({ type: "defect", reason: reasonOf(error), correlationId });
    return failed({ kind: "defect" });
  }
}

function resultOf(warmed: Warmed, tool: string, failed: (trouble: Trouble) => WarmResult): WarmResult {
  switch (warmed.kind) {
    case "kept":
      return { result: warmed.word };
    case "declined":
      return { result: "failed", error: { code: "not_kept", message: `It is not kept: ${warmed.why}.` } };
    case "private":
      return failed({ kind: "warm-private", tool });
    case "not-cached":
      return failed({ kind: "warm-not-cached", tool });
    case "failure":
      return failed(warmed.failure);
  }
}

/** A perfectly formed modern call: only such a one is answered from what is kept. */
function headersFor(tool: string): Headers {
  return new Headers({
    accept: "application/json, text/event-stream",
    "content-type": "application/json",
    "mcp-protocol-version": MODERN_VERSION,
    "mcp-method": "tools/call",
    "mcp-name": encodeHeaderValue(tool),
  });
}

function bodyFor(tool: string, args: Record<string, unknown>): string {
  const meta = { [META_VERSION]: MODERN_VERSION, [META_CAPABILITIES]: {}, [META_CLIENT_INFO]: CLIENT_INFO };
  const params = { name: tool, arguments: args, _meta: meta };
  return JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/call", params });
}
