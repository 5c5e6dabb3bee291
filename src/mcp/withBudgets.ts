import { elementSpansOf } from "./elements.ts";
import { isObject } from "./isObject.ts";
import { membersOf } from "./members.ts";
import { META_BUDGET } from "./names.ts";

/**
 * A `tools/list` response in which each tool for which there is a budget shows it in its `_meta`, in place of what the
 * origin may have put there under that name. Where none has one, the very same text.
 */
export function withBudgets(reply: string, budgetOf: (name: string) => object | null | undefined): string {
  const message: unknown = JSON.parse(reply);
  const result = isObject(message) ? message["result"] : undefined;
  const tools = isObject(result) ? result["tools"] : undefined;
  if (!Array.isArray(tools)) return reply;
  const outer = membersOf(reply, reply.indexOf("{")).findLast(({ key }) => key === "result")!;
  const inner = membersOf(reply, outer.valueStart).findLast(({ key }) => key === "tools")!;
  const spans = elementSpansOf(reply, inner.valueStart);
  let told = "";
  let at = 0;
  for (const [index, tool] of tools.entries()) {
    const budget = isObject(tool) && typeof tool["name"] === "string" ? budgetOf(tool["name"]) : undefined;
    if (!budget) continue;
    const { start, end } = spans[index]!;
    told += reply.slice(at, start) + shown(reply.slice(start, end), tool as Record<string, unknown>, budget);
    at = end;
  }
  return told + reply.slice(at);
}

/** The text of a tool with its budget. What is said beside it stays as it is written. */
function shown(text: string, { _meta: meta }: Readonly<Record<string, unknown>>, budget: object): string {
  const member = membersOf(text, 0).findLast(({ key }) => key === "_meta");
  // A tool has a name at least, so there is something before it.
  if (!member) return `${text.slice(0, -1)},"_meta":${JSON.stringify({ [META_BUDGET]: budget })}}`;
  const all = JSON.stringify({ ...(isObject(meta) && meta), [META_BUDGET]: budget });
  return text.slice(0, member.valueStart) + all + text.slice(member.end);
}
