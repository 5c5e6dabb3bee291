import { isObject } from "../mcp/isObject.ts";
import { messageIn } from "../mcp/messageIn.ts";
import { META_ERROR } from "../mcp/names.ts";
import type { Conclusion } from "../sync/Pulse.ts";
import type { Ending } from "./Ending.ts";
import type { Operation, OperationOutcome } from "./Operation.ts";

/**
 * What the readers are told when sending an operation has ended; `undefined` where it may be executed yet, or was before:
 * then its announcement is left to lapse.
 */
export function conclusionOf(
  { id, tags, attempts, reason }: Pick<Operation, "id" | "tags" | "attempts" | "reason">,
  ending: Ending,
): Conclusion | undefined {
  if (tags.length === 0 || ending.kind === "unknown") return undefined;
  // One that was sent before may have been executed then. A redrive counts the tries anew, and leaves the reason.
  const wasSent = attempts > 1 || reason !== undefined;
  if (ending.kind === "not-executed") return wasSent ? undefined : { id, tags, isApplied: false };
  const applied = ending.kind === "hopeless" ? false : hasApplied(ending.outcome);
  return applied === undefined ? undefined : { id, tags, isApplied: applied || wasSent };
}

/** Whether an answer says that something was changed; `undefined` where nobody can tell. */
function hasApplied({ kind, text }: OperationOutcome): boolean | undefined {
  if (kind === "error") return false;
  const { isError, _meta: meta } = messageIn(text) ?? {};
  if (isError !== true) return true;
  // Another replica says of a call that broke off that it failed.
  return isObject(meta) && Object.hasOwn(meta, META_ERROR) ? undefined : false;
}
