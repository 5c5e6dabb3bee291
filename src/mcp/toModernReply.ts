import { isObject } from "./isObject.ts";
import { membersOf } from "./members.ts";
import { CODE, META_SERVER_INFO } from "./names.ts";

/** What earlier revisions answer for a resource that is not there. */
const RESOURCE_NOT_FOUND = -32002;

/** A legacy response as modern callers are told it. */
export interface Told {
  text: string;
  /** The HTTP status: methods that nobody knows have one of their own (basic/transports). */
  status: number;
}

/**
 * A legacy response as modern callers are told it: `hints` says whether the method's results carry `ttlMs` and
 * `cacheScope`. The members that were there are as the origin wrote them.
 */
export function toModernReply(reply: string, hints: boolean, serverInfo: unknown): Told {
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
    .map(({ start, end }) => reply.slice(start, end));
  told.push('"resultType":"complete"');
  if (hints) told.push('"ttlMs":0,"cacheScope":"private"');
  const meta = isObject(result["_meta"]) ? result["_meta"] : {};
  const info = serverInfo === undefined ? {} : { [META_SERVER_INFO]: serverInfo };
  told.push(`"_meta":${JSON.stringify({ ...info, ...meta })}`);
  return { text: `${reply.slice(0, member.valueStart)}{${told.join(",")}}${reply.slice(member.end)}`, status: 200 };
}

function withModernCode(reply: string, error: Record<string, unknown>): Told {
  if (error["code"] === CODE.methodNotFound) return { text: reply, status: 404 };
  if (error["code"] !== RESOURCE_NOT_FOUND) return { text: reply, status: 200 };
  const member = membersOf(reply, reply.indexOf("{")).findLast(({ key }) => key === "error")!;
  const code = membersOf(reply, member.valueStart).findLast(({ key }) => key === "code")!;
  return { text: reply.slice(0, code.valueStart) + String(CODE.invalidParams) + reply.slice(code.end), status: 200 };
}
