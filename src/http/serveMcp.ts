import type { Authenticator } from "../access/authenticate.ts";
import { KvStore } from "../cache/KvStore.ts";
import type { Origin, Replica } from "../config/replica.ts";
import { answer } from "../lanes/answer.ts";
import type { Exchange, Isolate } from "../lanes/Exchange.ts";
import { isObject } from "../mcp/isObject.ts";
import { META_VERSION } from "../mcp/names.ts";
import { scan, type Scan } from "../mcp/scan.ts";
import { continueTrace, type Trace } from "../mcp/trace.ts";
import { reasonOf, type Reporter } from "../telemetry/events.ts";
import { newId } from "../telemetry/newId.ts";
import type { Told, Trouble } from "./errors.ts";
import { guard } from "./guard.ts";
import type { Place } from "./place.ts";
import { readBody } from "./readBody.ts";
import { respond, respondTrouble, type Responded } from "./respond.ts";

/** What serving needs, made once an isolate. */
export interface Serving {
  replica: Replica;
  isolate: Isolate;
  authenticator: Authenticator;
  report: Reporter;
}

/** One HTTP request to an MCP endpoint. */
export interface Incoming {
  request: Request;
  place: Place;
  /** The origin that the path names; `undefined` for a path that names none. */
  origin: Origin | undefined;
  env: Cloudflare.Env;
  waitUntil: (work: Promise<unknown>) => void;
}

/** Serves one request to an MCP endpoint: guard, authenticate, parse once, then the lanes. Reports it, and never throws. */
export async function serveMcp(serving: Serving, incoming: Incoming): Promise<Response> {
  const begun = performance.now();
  const headers = incoming.request.headers;
  let message: Message = NO_MESSAGE;
  let trace = continueTrace(headers.get("traceparent"), newId);
  let responded: Responded;
  try {
    const admitted = await admit(serving, incoming);
    if ("trouble" in admitted) responded = respondTrouble(admitted.trouble, told(NO_MESSAGE, headers, trace));
    else {
      message = messageOf(admitted.body);
      const inner =
        isObject(message.params) && isObject(message.params["_meta"])
          ? message.params["_meta"]["traceparent"]
          : undefined;
      if (inner !== undefined) trace = continueTrace(inner, () => trace.correlationId);
      const given = await answer(exchange(serving, incoming, admitted, trace));
      responded = respond(given, told(message, headers, trace));
    }
  } catch (error) {
    serving.report({ type: "defect", reason: reasonOf(error), correlationId: trace.correlationId });
    responded = respondTrouble({ kind: "defect" }, told(message, headers, trace));
  }
  const { response, result, ageMs, code } = responded;
  serving.report({
    type: "request",
    origin: incoming.origin?.settings.id ?? "-",
    method: (message.method ?? incoming.request.method).slice(0, MAX_NAME),
    name: nameOf(message),
    result,
    status: response.status,
    ...(ageMs !== undefined && { ageMs }),
    durationMs: performance.now() - begun,
    correlationId: trace.correlationId,
    ...(code !== undefined && { code }),
  });
  return response;
}

/** A request that may go to the lanes. */
interface Admitted {
  origin: Origin;
  principal: string;
  text: string;
  body: unknown;
  scan: Scan;
}

const NO_SCAN: Scan = { tooDeep: false, exact: false, duplicates: false };

/** Lets a request in, or says why not. Nothing of it is looked at before it is known who asks. */
async function admit(
  serving: Serving,
  { request, place, origin, env }: Incoming,
): Promise<Admitted | { trouble: Trouble }> {
  const { replica, authenticator } = serving;
  const { headers } = request;
  const maxBytes = replica.limits.bodyBytes;
  if (Number(headers.get("content-length") ?? 0) > maxBytes) return { trouble: { kind: "too-large", maxBytes } };
  const turnedAway = guard(place, headers.get("origin"), replica.hosts);
  if (turnedAway) return { trouble: turnedAway };
  const who = await authenticator.authenticate({
    authorization: headers.get("authorization"),
    hostname: place.hostname,
    kv: env.KV,
    pepper: env.KEY_PEPPER,
    now: Date.now(),
  });
  if ("refusal" in who) return { trouble: who.refusal };
  if (!origin) return { trouble: { kind: "unknown-path", known: pathsOf(replica) } };
  const { principal } = who;
  if (request.method !== "POST") {
    // GET and DELETE belong to sessions, and only the origin mints those.
    const inSession = (request.method === "GET" || request.method === "DELETE") && headers.has("mcp-session-id");
    if (!inSession) return { trouble: { kind: "method-not-allowed" } };
    return { origin, principal, text: "", body: undefined, scan: NO_SCAN };
  }
  const type = headers.get("content-type");
  if (type !== "application/json" && !/^application\/json\s*(;|$)/i.test(type ?? "")) {
    return { trouble: { kind: "unsupported-media-type" } };
  }
  const read = await readBody(request, maxBytes);
  if ("trouble" in read) return read;
  const scanned = scan(read.text, replica.limits.depth);
  if (scanned.tooDeep) return { trouble: { kind: "too-deep", maxDepth: replica.limits.depth } };
  try {
    return { origin, principal, text: read.text, body: JSON.parse(read.text), scan: scanned };
  } catch {
    return { trouble: { kind: "not-json" } };
  }
}

/** The paths at which the replica serves MCP, for callers who have been let in. */
function pathsOf(replica: Replica): string[] {
  const own = [...replica.origins.keys()].map((id) => `/mcp/${id}`);
  return replica.defaultOrigin ? ["/mcp", ...own] : own;
}

function exchange(serving: Serving, { request, env, waitUntil }: Incoming, admitted: Admitted, trace: Trace): Exchange {
  const { replica, isolate, report } = serving;
  return {
    replica,
    isolate,
    report,
    env,
    waitUntil,
    trace,
    kv: new KvStore(env.KV),
    now: Date.now,
    random: Math.random,
    httpMethod: request.method,
    headers: request.headers,
    ...admitted,
  };
}

/** What of a name reaches the log: callers choose names. */
const MAX_NAME = 500;

/** What of a message its errors and its log line need. */
interface Message {
  id: string | number | null;
  method: string | undefined;
  params: unknown;
}

const NO_MESSAGE: Message = { id: null, method: undefined, params: undefined };

function messageOf(body: unknown): Message {
  if (!isObject(body)) return NO_MESSAGE;
  const { id, method, params } = body;
  return {
    id: typeof id === "string" || typeof id === "number" ? id : null,
    method: typeof method === "string" ? method : undefined,
    params,
  };
}

function nameOf({ params }: Message): string | null {
  if (!isObject(params)) return null;
  const name = params["name"] ?? params["uri"];
  return typeof name === "string" ? name.slice(0, MAX_NAME) : null;
}

function told({ id, method, params }: Message, headers: Headers, { correlationId }: Trace): Told {
  const meta = isObject(params) ? params["_meta"] : undefined;
  const isModern = isObject(meta) ? Object.hasOwn(meta, META_VERSION) : headers.get("mcp-method") !== null;
  return { id, isToolCall: method === "tools/call", isModern, correlationId };
}
