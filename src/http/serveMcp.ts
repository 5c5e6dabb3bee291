import type { Caller } from "../access/Caller.ts";
import { payerOf, type Payer } from "../access/payer.ts";
import { KvStore } from "../cache/KvStore.ts";
import { vaultFor } from "../cache/Vault.ts";
import { asCaller } from "../config/originAuth.ts";
import { answer } from "../lanes/answer.ts";
import { MAX_MESSAGES } from "../lanes/batch.ts";
import { isSaved } from "../lanes/countAnswer.ts";
import { tellOwn } from "../lanes/inStep.ts";
import type { Answer, Exchange, Failure } from "../lanes/Exchange.ts";
import { metaOf } from "../mcp/envelope.ts";
import { isObject } from "../mcp/isObject.ts";
import { META_VERSION } from "../mcp/names.ts";
import { targetOf } from "../mcp/targetOf.ts";
import { continueTrace, LateTrace, type Trace } from "../mcp/trace.ts";
import { reasonOf, SILENT } from "../telemetry/events.ts";
import { newId } from "../telemetry/newId.ts";
import { admit, type Admitted } from "./admit.ts";
import { edgeLimit } from "./edgeLimit.ts";
import { wireError, type Told } from "./errors.ts";
import type { Incoming, Serving } from "./Incoming.ts";
import { NO_BODY, parseBody, type Parsed } from "./parseBody.ts";
import { readBody } from "./readBody.ts";
import { respond, respondTrouble, type Responded } from "./respond.ts";
import type { World } from "./Worlds.ts";

/** Serves one request to an MCP endpoint: guard, authenticate, parse once, then the lanes. Reports it, and never throws. */
export async function serveMcp(serving: Serving, incoming: Incoming): Promise<Response> {
  const { report, replica } = serving;
  const begun = report === SILENT ? 0 : performance.now();
  const { request, headers, place, tally } = incoming;
  const httpMethod = request.method;
  let message: Message = NO_MESSAGE;
  const trace = new LateTrace(() =>
    continueTrace([metaOf(message)?.["traceparent"], headers.get("traceparent")], newId),
  );
  let responded: Responded;
  let durationMs = 0;
  let saved = false;
  let isCounted = false;
  try {
    const admitting = admit(serving, incoming, httpMethod);
    const admitted = admitting instanceof Promise ? await admitting : admitting;
    if ("trouble" in admitted) {
      const { trouble } = admitted;
      if (trouble.kind === "unauthorized" && trouble.reason !== undefined)
        report({ type: "not-let-in", reason: trouble.reason, correlationId: trace.correlationId });
      responded = respondTrouble(trouble, told(message, headers, trace), { access: replica.access, place });
    } else {
      const { bodyBytes, depth } = replica.limits;
      const payer = payerFor(incoming, admitted.caller);
      // The limiter is asked while the body is read.
      const limiting = edgeLimit(serving, incoming, payer);
      const read = admitted.length === undefined ? undefined : await readBody(request, admitted.length, bodyBytes);
      const parsed = read === undefined ? NO_BODY : "trouble" in read ? read : parseBody(read.text, depth);
      if ("trouble" in parsed) responded = respondTrouble(parsed.trouble, told(message, headers, trace));
      else {
        message = messageOf(parsed.body);
        const limited =
          limiting && ((await limiting) ?? (await edgeLimit(serving, incoming, payer, others(parsed.body))));
        const word = (failure: Failure, body: unknown) =>
          wireError(failure, told(messageOf(body), headers, trace)).body;
        const x = exchange(serving, incoming, admitted, parsed, { httpMethod, trace, word, payer });
        const { tenant } = admitted.caller;
        const given = limited
          ? ({ kind: "failure", failure: limited } as const)
          : tenant === undefined
            ? answer(x)
            : inTenant(serving, x, tenant);
        let settled: Answer;
        // What is answered at once takes no time: the clock of a Worker stands still while it computes.
        if (given instanceof Promise) {
          const operation = x.tally.enter(x.arrivedAt);
          settled = await given.finally(() => x.tally.leave(operation));
          durationMs = Math.max(0, x.now() - x.arrivedAt);
        } else settled = given;
        saved = isSaved(settled);
        // The messages of a batch are counted one by one.
        isCounted = Array.isArray(parsed.body) && settled.kind !== "failure";
        responded =
          settled.kind === "failure"
            ? respondTrouble(settled.failure, told(message, headers, trace), { access: replica.access, place })
            : respond(settled);
      }
    }
  } catch (error) {
    report({ type: "defect", reason: reasonOf(error), correlationId: trace.correlationId });
    responded = respondTrouble({ kind: "defect" }, told(message, headers, trace));
  }
  const { response, result, ageMs, code } = responded;
  // What is no message of MCP is counted by its HTTP method.
  const method = message.method ?? httpMethod;
  const target = targetOf(message.params);
  if (!isCounted) tally?.count({ method, target, result, durationMs, ageMs, isSaved: saved });
  if (report !== SILENT) {
    report({
      type: "request",
      origin: incoming.origin?.settings.id ?? "-",
      method: method.slice(0, MAX_NAME),
      name: target && target.slice(0, MAX_NAME),
      result,
      status: response.status,
      ...(ageMs !== undefined && { ageMs }),
      durationMs: performance.now() - begun,
      correlationId: trace.correlationId,
      ...(code !== undefined && { code }),
    });
  }
  return response;
}

/** Answers a request, which nobody has looked at yet, in its tenant's world. At once where `answer` does, and the world is known. */
function inTenant({ worlds }: Serving, x: Exchange, tenant: string): Answer | Promise<Answer> {
  const own = worlds.get(x.origin.settings.id)!;
  const within = ({ origin, feed }: World) => {
    // It has been let in, so it has what the origin is to be asked with.
    x.origin = asCaller(origin, x.caller)!;
    x.feed = feed;
    tellOwn(x, own);
    return answer(x);
  };
  const world = worlds.ofTenant(own, tenant);
  return world instanceof Promise ? world.then(within) : within(world);
}

/** A request on its way into the lanes. */
export function exchange(
  serving: Serving,
  { request, headers, feed, tally, env, waitUntil }: Incoming,
  { origin, caller }: Admitted,
  { text, body, scan }: Parsed,
  { httpMethod, trace, word, payer }: Pick<Exchange, "httpMethod" | "trace" | "word" | "payer">,
): Exchange {
  return {
    replica: serving.replica,
    isolate: serving.isolate,
    report: serving.report,
    // Where there is an origin, there is its feed.
    feed: feed!,
    tally: tally!,
    env,
    waitUntil,
    trace,
    word,
    asksIn: undefined,
    session: undefined,
    sessionId: undefined,
    kv: new KvStore(env.KV, vaultFor(env.ENTRY_SECRET)),
    now: Date.now,
    arrivedAt: Date.now(),
    random: Math.random,
    left: () => request.signal,
    httpMethod,
    headers,
    origin,
    caller,
    rights: serving.roles?.rightsOf(caller, origin.settings.id),
    principal: caller.principal,
    payer,
    text,
    body,
    scan,
  };
}

/** For whom an incoming request is counted: found out where it is counted at all. */
function payerFor({ place, headers }: Incoming, caller: Caller): () => Payer {
  return () => payerOf({ caller, hostname: place.hostname, address: headers.get("cf-connecting-ip") });
}

/** How many messages there are besides the first; of more than a batch may have, none is answered. */
function others(body: unknown): number {
  return Array.isArray(body) ? Math.min(body.length, MAX_MESSAGES) - 1 : 0;
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

function told(message: Message, headers: Headers, { correlationId }: Trace): Told {
  const { id, method } = message;
  const meta = metaOf(message);
  const isModern = meta ? Object.hasOwn(meta, META_VERSION) : headers.get("mcp-method") !== null;
  return {
    id,
    isRequest: id !== null && method !== undefined,
    isToolCall: method === "tools/call",
    isModern,
    correlationId,
  };
}
