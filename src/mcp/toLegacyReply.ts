import { isObject } from "./isObject.ts";
import { needsWrapping, wrappedSchema } from "./legacySchema.ts";
import { membersOf } from "./members.ts";
import { CODE } from "./names.ts";

/** What of a modern result has no place in a legacy one. */
const MODERN_ONLY: ReadonlySet<string> = new Set(["resultType", "ttlMs", "cacheScope"]);

/** What the projection needs to know of the request. */
export interface Asked {
  method: string;
  /** Whether the tool's results are told wrapped because of its output schema. */
  isWrapped: boolean;
}

/**
 * A modern response as legacy callers are told it; `undefined` where they cannot be: the origin wants input first, or
 * would if the request declared that its sender can give any, or answers with a task. The members that stay are as the
 * origin wrote them.
 */
export function toLegacyReply(reply: string, { method, isWrapped }: Asked): string | undefined {
  const message: unknown = JSON.parse(reply);
  if (!isObject(message)) return reply;
  if (isObject(message["error"])) {
    // What the caller itself can do makes no difference: nothing of it can be declared here.
    if (message["error"]["code"] === CODE.missingCapability) return undefined;
    return withLegacyCode(reply, message["error"], method);
  }
  const result = message["result"];
  if (!isObject(result)) return reply;
  if (result["resultType"] !== undefined && result["resultType"] !== "complete") return undefined;
  const member = membersOf(reply, reply.indexOf("{")).findLast(({ key }) => key === "result")!;
  const told = membersOf(reply, member.valueStart)
    .filter(({ key }) => !MODERN_ONLY.has(key))
    .map(({ key, start, valueStart, end }) => {
      const other = projected(method, key, result[key], reply.slice(valueStart, end), isWrapped);
      return other === undefined ? reply.slice(start, end) : `${JSON.stringify(key)}:${other}`;
    });
  return `${reply.slice(0, member.valueStart)}{${told.join(",")}}${reply.slice(member.end)}`;
}

/** The value of a result's member, where legacy callers are told another. */
function projected(method: string, key: string, value: unknown, text: string, isWrapped: boolean): string | undefined {
  if (method === "tools/call" && key === "structuredContent" && (isWrapped || !isObject(value))) {
    return `{"result":${text}}`;
  }
  if (method !== "tools/list" || key !== "tools" || !Array.isArray(value)) return undefined;
  const schemaOf = (tool: unknown) => (isObject(tool) ? tool["outputSchema"] : undefined);
  if (!value.some((tool) => needsWrapping(schemaOf(tool)))) return undefined;
  const tools = value.map((tool: unknown) => {
    const schema = schemaOf(tool);
    return needsWrapping(schema) ? { ...(tool as object), outputSchema: wrappedSchema(schema) } : tool;
  });
  return JSON.stringify(tools);
}

/** A resource that is not there has a code of its own in the earlier revisions. */
function withLegacyCode(reply: string, error: Record<string, unknown>, method: string): string {
  const isMissing = method === "resources/read" && error["code"] === CODE.invalidParams;
  if (!isMissing || !isObject(error["data"]) || typeof error["data"]["uri"] !== "string") return reply;
  const member = membersOf(reply, reply.indexOf("{")).findLast(({ key }) => key === "error")!;
  const code = membersOf(reply, member.valueStart).findLast(({ key }) => key === "code")!;
  return reply.slice(0, code.valueStart) + String(CODE.resourceNotFound) + reply.slice(code.end);
}
