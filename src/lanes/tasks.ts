import { errorCode } from "../mcp/errorCode.ts";
import { CODE, TASKS_EXTENSION } from "../mcp/names.ts";
import { detailedTask } from "../mcp/task.ts";
import { isOperationId } from "../outbox/operationId.ts";
import type { Answer, Exchange, Failure } from "./Exchange.ts";
import { cancelled, factsOf, knowsTasks, operationOf, termsOf } from "./operationOf.ts";
import { invalid } from "./forbidden.ts";
import { eraOf, failed, ownResult, wrongIn } from "./ownAnswer.ts";

/**
 * Serves the methods of the tasks extension (SEP-2663) for operations; what is about a task of the origin's is left to
 * `rest`. No operation asks for anything on its way, so that there is nothing to update.
 */
export function tasks(
  x: Exchange,
  method: "tasks/get" | "tasks/update" | "tasks/cancel",
  taskId: unknown,
  rest: () => Answer | Promise<Answer>,
): Promise<Answer> | undefined {
  if (typeof taskId === "string" && isOperationId(taskId)) return ofOwn(x, method, taskId);
  // The earlier revisions have tasks of another kind.
  return eraOf(x) === "modern" ? ofOrigins(x, taskId, rest) : undefined;
}

async function ofOwn(x: Exchange, method: string, id: string): Promise<Answer> {
  const wrong = wrongIn(x);
  if (wrong) return wrong;
  // They never got one as a task; the tool and the resource are for them.
  if (eraOf(x) === "legacy") return failed({ kind: "unknown-operation", id });
  if (!knowsTasks(x)) return failed(NOT_DECLARED);
  const looked = await (method === "tasks/cancel" ? cancelled(x, id) : operationOf(x, id));
  if (looked.kind === "none") return failed({ kind: "unknown-operation", id });
  if (looked.kind === "unavailable") return failed({ kind: "operations-unavailable" });
  if (method !== "tasks/get") return ownResult(x, "");
  return ownResult(x, detailedTask(factsOf(x, looked.view, "modern"), x.now(), termsOf(x)).slice(1, -1));
}

/** Where the origin knows no tasks, the replica does: it says what such a server says of one that is not there. */
async function ofOrigins(x: Exchange, taskId: unknown, rest: () => Answer | Promise<Answer>): Promise<Answer> {
  const given = await rest();
  if (!isUnknownMethod(given)) return given;
  if (!knowsTasks(x)) return failed(NOT_DECLARED);
  // Callers write it: it need not be anything that can be said.
  if (typeof taskId !== "string") return failed(invalid(x.body, "taskId must be a string"));
  return failed({ kind: "unknown-operation", id: taskId });
}

function isUnknownMethod(given: Answer): boolean {
  if (given.kind === "message") return errorCode(given.text) === CODE.methodNotFound;
  return given.kind === "failure" && given.failure.kind === "rejected" && given.failure.code === CODE.methodNotFound;
}

const NOT_DECLARED: Failure = {
  kind: "rejected",
  status: 400,
  code: CODE.missingCapability,
  reason: "missing-capability",
  message: `Missing required client capability: declare the extension ${TASKS_EXTENSION} in the request's clientCapabilities`,
  data: { requiredCapabilities: { extensions: { [TASKS_EXTENSION]: {} } } },
};
