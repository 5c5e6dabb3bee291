import { metaOf } from "../mcp/envelope.ts";
import { membersOf } from "../mcp/members.ts";
import { META_CAPABILITIES } from "../mcp/names.ts";
import { declaresTasks, type TaskFacts, type TaskTerms } from "../mcp/task.ts";
import type { Era } from "../mcp/versions.ts";
import { outboxObject } from "../origin/outboxObject.ts";
import type { OperationOutcome } from "../outbox/Operation.ts";
import { isSoundOperationId } from "../outbox/operationId.ts";
import type { OperationView } from "../outbox/Submission.ts";
import { reasonOf } from "../telemetry/events.ts";
import type { Exchange } from "./Exchange.ts";
import { outcomeTold } from "./outcomeTold.ts";
import { ownerOf } from "./ownerOf.ts";
import { within } from "./within.ts";

/** How long the object is waited for. */
const PATIENCE_MS = 5_000;

/** What has become of looking an operation up. */
export type Looked =
  | { kind: "found"; view: OperationView }
  /** The caller has none of this id. */
  | { kind: "none" }
  /** The object could not be asked. */
  | { kind: "unavailable" };

/** The caller's operation of an id. */
export function operationOf(x: Exchange, id: string): Promise<Looked> {
  return asked(x, id, (outbox) => outbox.view(id, ownerOf(x)));
}

/** The same, taken back, where it was never sent. */
export function cancelled(x: Exchange, id: string): Promise<Looked> {
  return asked(x, id, (outbox) => outbox.cancel(id, ownerOf(x)));
}

async function asked(
  x: Exchange,
  id: string,
  ask: (outbox: ReturnType<typeof outboxObject>) => Promise<OperationView | undefined>,
): Promise<Looked> {
  // What was never an id is nobody's.
  if (!isSoundOperationId(id)) return { kind: "none" };
  try {
    const view = await within(PATIENCE_MS, ask(outboxObject(x.env, x.origin.settings)));
    return view ? { kind: "found", view } : { kind: "none" };
  } catch (error) {
    x.report({ type: "store-failed", operation: "get", reason: reasonOf(error) });
    return { kind: "unavailable" };
  }
}

/** What a task is made of, as callers of an era are told it. */
export function factsOf(x: Exchange, view: OperationView, era: Era): TaskFacts {
  const { outcome, ...facts } = view;
  const told = outcome && outcomeIn(x, view.tool, outcome, era);
  return { ...facts, ...(told && { outcome: told }) };
}

/** What is the same of all tasks of an origin. */
export function termsOf({ origin, feed }: Pick<Exchange, "origin" | "feed">): TaskTerms {
  return { retentionMs: origin.outbox!.retentionMs, isDown: feed.health.state === "down" };
}

/** Whether the request's sender has declared that it knows tasks. */
export function knowsTasks({ body }: Pick<Exchange, "body">): boolean {
  return declaresTasks(metaOf(body)?.[META_CAPABILITIES]);
}

/** An outcome in the words of an era; `undefined` where they have none for it. */
function outcomeIn(x: Exchange, tool: string, outcome: OperationOutcome, era: Era): TaskFacts["outcome"] {
  const { kind } = outcome;
  const told = outcomeTold(x, { id: 0, era, tool }, outcome)?.text;
  const member = told === undefined ? undefined : membersOf(told, 0).findLast(({ key }) => key === kind);
  return member && { kind, text: told!.slice(member.valueStart, member.end) };
}
