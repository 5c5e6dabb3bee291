import { isObject } from "./isObject.ts";
import { membersOf } from "./members.ts";

/** A `tools/list` response without the tools that `isHidden` names. Where none is hidden, the very same text. */
export function withoutTools(reply: string, isHidden: (name: string) => boolean): string {
  const message: unknown = JSON.parse(reply);
  const result = isObject(message) ? message["result"] : undefined;
  const tools = isObject(result) ? result["tools"] : undefined;
  if (!Array.isArray(tools)) return reply;
  const shown = tools.filter((tool) => !(isObject(tool) && typeof tool["name"] === "string" && isHidden(tool["name"])));
  if (shown.length === tools.length) return reply;
  const outer = membersOf(reply, reply.indexOf("{")).findLast(({ key }) => key === "result")!;
  const inner = membersOf(reply, outer.valueStart).findLast(({ key }) => key === "tools")!;
  return reply.slice(0, inner.valueStart) + JSON.stringify(shown) + reply.slice(inner.end);
}
