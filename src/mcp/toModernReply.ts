import { without } from "./cutSpans.ts";
import { executionSpans } from "./executionSpans.ts";
import { isObject } from "./isObject.ts";
import { membersOf, type Member } from "./members.ts";
import { CODE, META_DECLINED, META_SERVER_INFO } from "./names.ts";

/** What they answer where the user has to do something on a page first: a question back, for which the modern one has another form. */
const URL_ELICITATION_REQUIRED = -32042;

/** A legacy response as modern callers are told it. */
export interface Told {
  text: string;
  /** The HTTP status: methods that nobody knows have one of their own (basic/transports). */
  status: number;
}

/** What the projection needs to know of the request, and of the origin. */
export interface Asked {
  method: string;
  /** Whether the method's results carry `ttlMs` and `cacheScope`. */
  hints: boolean;
  /** What the origin calls itself, where that is known. */
  serverInfo: unknown;
  /** What it wanted to ask the client for on the way, and could not. */
  declined?: readonly string[];
}

/**
 * A legacy response as modern callers are told it; `undefined` where they cannot be, because it is a question back. The
 * members that were there are as the origin wrote them.
 */
export function toModernReply(reply: string, { method, hints, serverInfo, declined = [] }: Asked): Told | undefined {
  const message: unknown = JSON.parse(reply);
  if (!isObject(message)) return { text: reply, status: 200 };
  if (isObject(message["error"])) return withModernCode(reply, message["error"]);
  const result = message["result"];
  if (!isObject(result)) return { text: reply, status: 200 };
  const member = membersOf(reply, reply.indexOf("{")).findLast(({ key }) => key === "result")!;
  const members = membersOf(reply, member.valueStart);
  const told = members
    .filter(
      ({ key }) => key !== "resultType" && key !== "_meta" && !(hints && (key === "ttlMs" || key === "cacheScope")),
    )
    .map(({ key, start, valueStart, end }) => {
      const isList = method === "tools/list" && key === "tools" && Array.isArray(result[key]);
      return isList
        ? reply.slice(start, valueStart) + withoutExecution(reply.slice(valueStart, end))
        : reply.slice(start, end);
    });
  told.push('"resultType":"complete"');
  if (hints) told.push('"ttlMs":0,"cacheScope":"private"');
  const meta = metaOf(reply, members, serverInfo);
  if (declined.length > 0) meta.push(`"${META_DECLINED}":${JSON.stringify(declined)}`);
  told.push(`"_meta":{${meta.join(",")}}`);
  return { text: `${reply.slice(0, member.valueStart)}{${told.join(",")}}${reply.slice(member.end)}`, status: 200 };
}

/** The members of the result's `_meta`, with what the origin calls itself where it does not say it there. */
function metaOf(reply: string, members: readonly Member[], serverInfo: unknown): string[] {
  const meta = members.findLast(({ key }) => key === "_meta");
  const inside = meta && reply[meta.valueStart] === "{" ? membersOf(reply, meta.valueStart) : [];
  const kept = inside.map(({ start, end }) => reply.slice(start, end));
  const isNamed = serverInfo === undefined || inside.some(({ key }) => key === META_SERVER_INFO);
  return isNamed ? kept : [...kept, `${JSON.stringify(META_SERVER_INFO)}:${JSON.stringify(serverInfo)}`];
}

/** A list of tools, as text, without what the modern revision has no more. */
function withoutExecution(tools: string): string {
  return without(tools, executionSpans(tools, 0));
}

function withModernCode(reply: string, error: Record<string, unknown>): Told | undefined {
  if (error["code"] === URL_ELICITATION_REQUIRED) return undefined;
  if (error["code"] === CODE.methodNotFound) return { text: reply, status: 404 };
  if (error["code"] !== CODE.resourceNotFound) return { text: reply, status: 200 };
  const member = membersOf(reply, reply.indexOf("{")).findLast(({ key }) => key === "error")!;
  const code = membersOf(reply, member.valueStart).findLast(({ key }) => key === "code")!;
  return { text: reply.slice(0, code.valueStart) + String(CODE.invalidParams) + reply.slice(code.end), status: 200 };
}
