import { policyOf } from "../config/policy.ts";
import type { OutboxLimits, OutboxRule, WriteRule } from "../config/replica.ts";
import { isObject } from "../mcp/isObject.ts";
import { paramMismatch } from "../mcp/ladder.ts";
import type { Call } from "../mcp/recognise.ts";
import type { Submission, Submitted } from "../outbox/Submission.ts";
import { berthFor } from "./berth.ts";
import { bump } from "./bump.ts";
import { directivesOf, ONLY_CACHED, type Asked } from "./directives.ts";
import { erasOf, wantsSessions } from "./eras.ts";
import type { Answer, Exchange, Failure } from "./Exchange.ts";
import { formedCall } from "./formedCall.ts";
import { inEraOf } from "./inEraOf.ts";
import { check } from "./inStep.ts";
import { misfit } from "./misfit.ts";
import { overOriginLimit } from "./overLimit.ts";
import { contradictsParams } from "./params.ts";
import { BRIEF_MS, refreshCatalogue } from "./ruleFor.ts";
import { submissionOf } from "./submissionOf.ts";
import { leave, submit } from "./submit.ts";
import { submitStreaming } from "./submitStreaming.ts";
import { hasApplied, toldOperation } from "./toldOperation.ts";

/** How long a caller waits until what it has changed is known here. */
const PATIENCE_MS = 2_000;
const ORDINARY: Asked = { again: false, onlyCached: false };

/** What the operator says of a call that goes through the outbox. */
interface Ruled {
  write: WriteRule;
  rule: OutboxRule;
  limits: OutboxLimits;
}

/**
 * Gives a call to the outbox where its tool's calls go through it, and nowhere else: order and deduplication have one owner,
 * whether the origin is up or down, and whatever the replica is otherwise told to do. `undefined` for everything else.
 */
export function throughOutbox(x: Exchange, limits: OutboxLimits): Promise<Answer> | undefined {
  const { method, params } = isObject(x.body) ? x.body : {};
  if (method !== "tools/call" || !isObject(params)) return undefined;
  const policy = policyOf(x.origin, method, String(params["name"]));
  if (policy.kind !== "write" || !policy.write.outbox) return undefined;
  return answer(x, { write: policy.write, rule: policy.write.outbox, limits });
}

async function answer(x: Exchange, ruled: Ruled): Promise<Answer> {
  const call = formedCall(x);
  if ("failure" in call) return failure(call.failure);
  if (directivesOf(x, call).onlyCached) return failure({ kind: "not-cached" });
  const asking = await knowing(x, call);
  if (contradictsParams(x)) return failure({ kind: "rejected", ...paramMismatch() });
  const submission = await submissionOf(asking, call, ruled);
  if ("failure" in submission) return failure(submission.failure);
  const bad = misfit(asIfSent(asking, submission));
  if (bad) return failure(bad);
  const berth = berthFor(x, { goesOn: true });
  if ("failure" in berth) return failure({ kind: "origin", failure: berth.failure });
  let isStreaming = false;
  try {
    const limited = await overOriginLimit(x);
    if (limited) return failure({ kind: "origin", failure: limited });
    const told = (submitted: Submitted | undefined) => toldInStep(x, call, submission, submitted);
    const token = (call.params["_meta"] as { progressToken?: string | number } | undefined)?.progressToken;
    if (token === undefined) return await submitWaiting(x, call, submission, told);
    const given = await submitStreaming(x, submission, {
      token,
      leaves: call.era === "modern",
      told,
      ended: berth.leave,
    });
    isStreaming = given.kind === "stream";
    return given;
  } finally {
    if (!isStreaming) berth.leave();
  }
}

/** Asks, in the exchange as the lists of tools are read for it, what there is to know of the tool. */
async function knowing(x: Exchange, call: Call): Promise<Exchange> {
  const eras = await erasOf(x);
  const asking = x.session ? x : inEraOf(x, call.era, eras);
  // Where every call is relayed, nothing is looked up.
  if (!x.replica.enabled) return asking;
  const isApart = !x.session && call.era === "modern" && asking.asksIn === undefined && wantsSessions(eras);
  await refreshCatalogue(asking, call, isApart ? ONLY_CACHED : ORDINARY, BRIEF_MS);
  return asking;
}

/** The request with the arguments that the origin gets: one that the replica fills in need not be the caller's. */
function asIfSent(x: Exchange, { args }: Submission): Exchange {
  const body = x.body as Record<string, unknown>;
  const params = { ...(body["params"] as object), arguments: JSON.parse(args) as unknown };
  return { ...x, body: { ...body, params } };
}

/** The answer when it is there. To leave is to cancel in the modern revision, and only there (basic/transports). */
async function submitWaiting(
  x: Exchange,
  call: Call,
  submission: Submission,
  told: (submitted: Submitted | undefined) => Promise<Answer>,
): Promise<Answer> {
  let isOver = false;
  const left = x.left();
  if (call.era === "modern") {
    left.addEventListener("abort", () => !isOver && x.waitUntil(leave(x, submission)), { once: true });
  }
  const submitting = submit(x, submission);
  // The runtime would end it with its caller.
  x.waitUntil(submitting);
  const submitted = await submitting;
  isOver = true;
  return told(submitted);
}

/** What has become of a call, told when this isolate forgets what it has changed. */
async function toldInStep(
  x: Exchange,
  call: Call,
  { id, tags }: Submission,
  submitted: Submitted | undefined,
): Promise<Answer> {
  if (!submitted) return failure({ kind: "outbox-unavailable", operationId: id });
  if (x.replica.enabled && tags.length > 0) {
    if (submitted.kind === "queued") x.waitUntil(check(x, PATIENCE_MS));
    const outcome = submitted.kind === "settled" ? submitted.operation.outcome : undefined;
    if (outcome && hasApplied(outcome) && !(await check(x, PATIENCE_MS))) bump(x, tags);
  }
  return toldOperation(x, call, submitted);
}

function failure(reason: Failure): Answer {
  return { kind: "failure", failure: reason };
}
