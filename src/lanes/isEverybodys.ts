import type { ListName } from "../mcp/change.ts";
import { OPERATION_TEMPLATE, STATUS_TOOL } from "../mcp/withOperations.ts";
import { isOperationId, operationNamed } from "../outbox/operationId.ts";
import type { Exchange } from "./Exchange.ts";

/** Whether a thing is the replica's own, which everybody may use who is let in: each sees its own operations there, and no others. */
export function isEverybodys({ origin }: Pick<Exchange, "origin">, kind: ListName, name: string): boolean {
  if (origin.outbox === undefined) return false;
  if (kind === "tools") return name === STATUS_TOOL;
  return kind === "resources" && (name === OPERATION_TEMPLATE || operationNamed(name) !== undefined);
}

/** Which ids are meant as those of the replica's own tasks; `undefined` where it has none. */
export function ownTasksOf({ origin }: Pick<Exchange, "origin">): ((id: string) => boolean) | undefined {
  return origin.outbox && isOperationId;
}
