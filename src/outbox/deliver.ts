import { isObject } from "../mcp/isObject.ts";
import { messageIn } from "../mcp/messageIn.ts";
import type { Called, OwnCalls } from "../origin/OwnCalls.ts";
import type { Operation } from "./Operation.ts";
import type { SubmissionEvent } from "./Submission.ts";

/** What is told of an operation on the way. */
export type Progress = Extract<SubmissionEvent, { progress: unknown }>["progress"];

/** What sending an operation needs. */
export interface DeliverTools {
  calls: Pick<OwnCalls, "call">;
  /** Whose session of the pool it is sent in, where the origin keeps sessions. */
  pool: string;
  /** Of the trace that the sending is a part of: 16 hex digits. */
  parentId: string;
  /** Aborted when it has taken too long. */
  abandoned: AbortSignal;
  /** Gets what the origin tells of its progress; absent where nobody would hear of it. */
  told?: (progress: Progress) => void;
}

/** An operation's trace id is that of its own id. */
const RANDOM = /[0-9a-f]{32}$/;

/** Five at once, each held in several forms while it is kept, have to be less than an object's 128 MB. */
const MAX_ANSWER_BYTES = 4 * 1_048_576;

/**
 * Sends an operation to the origin, once. `args` is the JSON of its arguments. In a session that is its principal's, where
 * the origin keeps sessions; nothing of a client is declared, so that it is not asked for anything.
 */
export async function deliver(
  { id, tool, idempotency }: Pick<Operation, "id" | "tool" | "idempotency">,
  args: string,
  { calls, pool, parentId, abandoned, told }: DeliverTools,
): Promise<Called> {
  const trace = RANDOM.exec(id)?.[0];
  const headers = {
    ...(trace !== undefined && { traceparent: `00-${trace}-${parentId}-01` }),
    ...(idempotency.kind === "header" && { [idempotency.name.toLowerCase()]: idempotency.key }),
  };
  const heard = (message: string) => {
    const progress = progressIn(message, id);
    if (progress) told!(progress);
  };
  return calls.call(
    { name: tool, arguments: JSON.parse(args) as unknown },
    { pool, headers, abandoned, maxBytes: MAX_ANSWER_BYTES, ...(told && { token: id, heard }) },
  );
}

/** The progress that a notification tells of under this token. What is not well-formed is left out. */
function progressIn(message: string, token: string): Progress | undefined {
  const { method, params } = messageIn(message) ?? {};
  if (method !== "notifications/progress" || !isObject(params) || params["progressToken"] !== token) return undefined;
  const { progress, total, message: words } = params;
  if (typeof progress !== "number") return undefined;
  return {
    progress,
    ...(typeof total === "number" && { total }),
    ...(typeof words === "string" && { message: words }),
  };
}
