import type { WriteFailure } from "../../lanes/WriteFailure.ts";
import { writeError } from "../../mcp/task.ts";
import type { OperationView } from "../../outbox/Submission.ts";
import { inBand, type Worded } from "./Worded.ts";

const NOTHING = "Nothing of this call was sent to the origin, and nothing will be";
/** Of a name in a sentence. */
const MAX_TOLD = 200;

/** What is told of a call that goes through the outbox, where that is not the origin's answer. */
export function wordOutbox(trouble: WriteFailure): Worded {
  switch (trouble.kind) {
    case "write-queued":
      return queued(trouble.operation, trouble.retryAfterMs);
    case "write-unanswered":
      return unanswered(trouble.operation);
    case "write-refused":
      return refused(trouble);
    case "outbox-unavailable":
      return {
        ...inBand(
          "outbox_unavailable",
          `The replica's queue of writes cannot be reached, and whether it has taken this call is not known. If it has, it is operation ${trouble.operationId}: ask replica_operation_status before you call again, or call again with the same idempotency key.`,
          1_000,
        ),
        operationId: trouble.operationId,
      };
    case "idempotency-key-invalid":
      return inBand("idempotency_key_invalid", `The idempotency key is none: ${trouble.detail}. ${NOTHING}.`);
    case "idempotency-unsupported":
      return inBand(
        "idempotency_unsupported",
        `Calls of this tool are sent on as they come, so an idempotency key would be kept by nobody. ${NOTHING}. Call it without, or ask the operator of this replica to queue its calls.`,
      );
  }
}

function queued({ id, tool }: OperationView, retryAfterMs: number): Worded {
  const message = `Queued, not executed: the call of ${nameOf(tool)} will be sent to the origin when that can be reached and those before it are over. Do not call it again for the same purpose. Operation ${id}: ask replica_operation_status what became of it.`;
  return { ...inBand("write_queued", message, retryAfterMs), operationId: id };
}

function unanswered(operation: OperationView): Worded {
  const { id: operationId, state } = operation;
  const { message } = writeError(operation);
  const said = `${message} Operation ${operationId}.`;
  switch (state) {
    case "ambiguous":
      return { ...inBand("write_ambiguous", said), operationId };
    case "dead":
      return { ...inBand("write_dead", said), operationId };
    case "discarded":
      return { ...inBand("write_discarded", said), operationId };
    case "cancelled":
      return { ...inBand("write_cancelled", CANCELLED), operationId };
    default:
      return { ...inBand("outcome_lost", said), operationId };
  }
}

const CANCELLED = `The call was taken back before it was sent. ${NOTHING}.`;

function refused({ tool, refusal }: Extract<WriteFailure, { kind: "write-refused" }>): Worded {
  switch (refusal.why) {
    case "down":
      return inBand(
        "origin_unavailable",
        `The origin server cannot be reached now. ${NOTHING}. Try again later.`,
        refusal.retryAfterMs,
      );
    case "late":
      return inBand(
        "write_late",
        `The call of ${nameOf(tool)} could not be sent in time: others before it took too long. ${NOTHING}. Try again later.`,
        refusal.retryAfterMs,
      );
    case "parked":
      return inBand(
        "order_parked",
        `The call of ${nameOf(tool)} comes after operation ${refusal.id}, of which nobody knows whether it was executed, or which was given up. What comes after that one waits for the operator of this replica. ${NOTHING}.`,
      );
    case "full":
      return inBand(
        "queue_full",
        `The queue of writes to this origin is full. ${NOTHING}. Try again later.`,
        refusal.retryAfterMs,
      );
    case "principal-full":
      return inBand(
        "queue_full",
        `You have as many writes in the queue of this origin, or as much kept of earlier ones, as one caller may have. ${NOTHING}. Wait until some of them are over or forgotten, and try again.`,
        refusal.retryAfterMs,
      );
    case "key-reused":
      return inBand(
        "idempotency_key_reused",
        `You have used this idempotency key for a call of ${nameOf(tool)} with other arguments. ${NOTHING}. Another call takes another key.`,
      );
    case "cancelled":
      return inBand("write_cancelled", CANCELLED);
  }
}

function nameOf(tool: string): string {
  return tool.slice(0, MAX_TOLD);
}
