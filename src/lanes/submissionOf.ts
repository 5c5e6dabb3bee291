import canonicalize from "canonicalize";
import { digest } from "../cache/key.ts";
import { expandTags, writtenTags } from "../cache/tags.ts";
import { impersonal } from "../config/originAuth.ts";
import type { IdempotentRule, OutboxLimits, OutboxRule, WriteRule } from "../config/replica.ts";
import { metaOf } from "../mcp/envelope.ts";
import { idempotencyKey } from "../mcp/idempotencyKey.ts";
import { META_IDEMPOTENCY_KEY } from "../mcp/names.ts";
import type { Call } from "../mcp/recognise.ts";
import { declaresTasks } from "../mcp/task.ts";
import { operationId } from "../outbox/operationId.ts";
import type { Idempotency } from "../outbox/Operation.ts";
import type { Submission } from "../outbox/Submission.ts";
import { newId } from "../telemetry/newId.ts";
import { knownEras } from "./eras.ts";
import type { Exchange, Failure } from "./Exchange.ts";
import { invalid } from "./forbidden.ts";
import { catalogueOf } from "./learn.ts";
import { ownerOf } from "./ownerOf.ts";

type Arguments = Readonly<Record<string, unknown>>;

/** How many characters of a digest the replica gives an origin as a key: as many as its operations' ids have. */
const KEY_LENGTH = 32;
/** An argument that an origin knows a request by is so long at most, in characters: it is kept by itself, and counts nowhere. */
const MAX_ARGUMENT_LENGTH = 1_024;

/** Whether the caller is given a task where its call is not answered at once. */
export function takesTasks({ era, capabilities }: Pick<Call, "era" | "capabilities">): boolean {
  return era === "modern" && declaresTasks(capabilities);
}

/** A call as it is given to the outbox, under an id of its own; or why it is not. */
export async function submissionOf(
  x: Exchange,
  call: Call,
  { write, rule, limits }: { write: WriteRule; rule: OutboxRule; limits: OutboxLimits },
): Promise<Submission | { failure: Failure }> {
  const tool = call.target!;
  const args = (call.variant ?? {}) as Arguments;
  const given = idempotencyKey(metaOf(x.body)?.[META_IDEMPOTENCY_KEY], x.headers.get("idempotency-key"));
  if ("wrong" in given) return { failure: { kind: "idempotency-key-invalid", detail: given.wrong } };
  const canonical = canonicalOf([tool, args]);
  if (canonical === undefined)
    return { failure: invalid(x.body, "the arguments have half a character (a lone surrogate) in them") };
  const { key } = given;
  const principal = ownerOf(x);
  const random = newId();
  const own = key === undefined ? random : (await digest(JSON.stringify([principal, tool, key]))).slice(0, KEY_LENGTH);
  const idempotency = idempotencyOf(rule.idempotent, args, own, () => catalogueOf(x).get(tool)?.isIdempotent === true);
  if (idempotency === undefined) {
    const { argument } = rule.idempotent as { argument: string };
    return {
      failure: invalid(
        x.body,
        `${argument} must be a number, or a string of at most ${MAX_ARGUMENT_LENGTH} characters: the origin goes by it`,
      ),
    };
  }
  const knowsTasks = takesTasks(call);
  const isKept = rule.queue !== undefined && (knowsTasks || rule.unlessTask === "notify");
  const { modern, legacy, version } = knownEras(x);
  return {
    id: operationId(random),
    origin: impersonal(x.origin.settings),
    eras: {
      ...(modern !== undefined && { modern }),
      ...(legacy !== undefined && { legacy }),
      ...(version !== undefined && { version }),
    },
    limits,
    principal,
    tool,
    args: JSON.stringify(idempotency.kind === "argument" ? filled(args, idempotency) : args),
    digest: await digest(canonical),
    ...(key !== undefined && { key }),
    idempotency,
    orderKey: await orderKeyOf(rule.orderBy, args, principal),
    ifStuck: rule.ifStuck,
    tags: writtenTags(write.invalidates, args),
    // Where every call is relayed, nobody is answered with what it changes.
    isAwaited: write.isAwaited && x.replica.enabled,
    otherwise: isKept ? "queue" : "drop",
    isAtOnce: rule.queue === "always" && knowsTasks,
    patienceMs: x.origin.settings.totalMs,
  };
}

/** In which way sending it twice is safe; `undefined` where the caller's value of the argument is none that an origin could go by. */
function idempotencyOf(
  rule: IdempotentRule,
  args: Arguments,
  own: string,
  isAnnotated: () => boolean,
): Idempotency | undefined {
  if (rule === "no" || (rule === "annotated" && !isAnnotated())) return { kind: "none" };
  if (typeof rule === "string") return { kind: "same" };
  if ("header" in rule) return { kind: "header", name: rule.header, key: own };
  const name = rule.argument;
  const value = Object.hasOwn(args, name) ? args[name] : undefined;
  // What says nothing is as if it were not there.
  if (value === undefined || value === null || value === "") return { kind: "argument", name, key: own };
  const isSound = typeof value === "string" ? value.length <= MAX_ARGUMENT_LENGTH : typeof value === "number";
  if (!isSound) return undefined;
  return { kind: "argument", name, key: String(value) };
}

/** The arguments with the key among them: the caller's own stays as it has written it. */
function filled(args: Arguments, { name, key }: Extract<Idempotency, { kind: "argument" }>): Arguments {
  const value = Object.hasOwn(args, name) ? args[name] : undefined;
  return String(value) === key ? args : { ...args, [name]: key };
}

/** No two kinds of keys are ever the same. */
async function orderKeyOf(orderBy: OutboxRule["orderBy"], args: Arguments, principal: string): Promise<string | null> {
  if (orderBy === false) return null;
  return orderBy === null ? `caller:${await digest(principal)}` : `key:${expandTags([orderBy], args)[0]!}`;
}

function canonicalOf(value: unknown): string | undefined {
  try {
    return canonicalize(value);
  } catch {
    return undefined;
  }
}
