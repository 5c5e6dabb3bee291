import { OPEN_OBJECT } from "./characters.ts";
import { elementSpansOf } from "./elements.ts";
import { isObject } from "./isObject.ts";
import { membersOf } from "./members.ts";
import { TASKS_EXTENSION } from "./names.ts";
import { withoutTools } from "./withoutTools.ts";

/** The replica's own tool, by which callers see what has become of a queued write. */
export const STATUS_TOOL = "replica_operation_status";

/** The template of the resources that say the same. */
export const OPERATION_TEMPLATE = "replica://operations/{id}";

const TOOL = JSON.stringify({
  name: STATUS_TOOL,
  title: "What has become of a queued write",
  description:
    "Says whether a call that was queued, not executed, has been sent since, and what the origin has answered. " +
    "Give the operation's id, as the notice that it was queued gave it. Reads only.",
  inputSchema: {
    type: "object",
    properties: { id: { type: "string", description: "The operation's id: er-op-…" } },
    required: ["id"],
    additionalProperties: false,
  },
  annotations: { readOnlyHint: true, openWorldHint: false },
});

const TEMPLATE = JSON.stringify({
  uriTemplate: OPERATION_TEMPLATE,
  name: "operation",
  title: "A queued write",
  description: "What has become of a call that was queued.",
  mimeType: "application/json",
});

/** A `tools/list` response with the replica's own tool last on the last page, in place of one of the origin's of that name. */
export function withStatusTool(reply: string): string {
  return withLast(
    withoutTools(reply, (name) => name === STATUS_TOOL),
    "tools",
    TOOL,
  );
}

/** A `resources/templates/list` response with the template of operations last on the last page. */
export function withOperationTemplate(reply: string): string {
  return withLast(reply, "resourceTemplates", TEMPLATE);
}

/** The same for the members of such a result, as text without its braces. */
export function withOperationTemplateIn(members: string): string {
  const text = withOperationTemplate(`{"result":{${members}}}`);
  return text.slice(`{"result":{`.length, -2);
}

/** A `server/discover` response that says that calls may become tasks. */
export function withTasks(reply: string): string {
  const message: unknown = JSON.parse(reply);
  const result = isObject(message) ? message["result"] : undefined;
  const capabilities = isObject(result) ? result["capabilities"] : undefined;
  if (!isObject(capabilities)) return reply;
  const { extensions } = capabilities;
  if (isObject(extensions) && Object.hasOwn(extensions, TASKS_EXTENSION)) return reply;
  const at = valueOf(reply, valueOf(reply, valueOf(reply, reply.indexOf("{"), "result"), "capabilities"), "extensions");
  if (at >= 0 && reply.charCodeAt(at) === OPEN_OBJECT) return withMember(reply, at, TASKS_EXTENSION, "{}");
  // What is no object says of no extension.
  if (at >= 0) return reply;
  const outer = valueOf(reply, valueOf(reply, reply.indexOf("{"), "result"), "capabilities");
  return withMember(reply, outer, "extensions", JSON.stringify({ [TASKS_EXTENSION]: {} }));
}

/** A list response with one more element, where it has such a list and it ends there. */
function withLast(reply: string, list: string, element: string): string {
  const message: unknown = JSON.parse(reply);
  const result = isObject(message) ? message["result"] : undefined;
  if (!isObject(result) || !Array.isArray(result[list]) || typeof result["nextCursor"] === "string") return reply;
  const from = valueOf(reply, valueOf(reply, reply.indexOf("{"), "result"), list);
  const last = elementSpansOf(reply, from).at(-1);
  return last
    ? `${reply.slice(0, last.end)},${element}${reply.slice(last.end)}`
    : `${reply.slice(0, from + 1)}${element}${reply.slice(from + 1)}`;
}

/** Where the value of a member begins, of an object whose brace stands at `from`: of the last, where there are several; -1 where there is none. */
function valueOf(text: string, from: number, name: string): number {
  return membersOf(text, from).findLast(({ key }) => key === name)?.valueStart ?? -1;
}

function withMember(text: string, brace: number, key: string, value: string): string {
  const comma = membersOf(text, brace).length > 0 ? "," : "";
  return `${text.slice(0, brace + 1)}${JSON.stringify(key)}:${value}${comma}${text.slice(brace + 1)}`;
}
