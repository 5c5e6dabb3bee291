import { isObject } from "./isObject.ts";
import { membersOf } from "./members.ts";

/** A JSON-RPC response that promises its caller nothing (`ttlMs` of 0), whatever the server says. The rest of the text stays as it is. */
export function withoutPromise(reply: string): string {
  if (!reply.includes("ttlMs")) return reply;
  const message: unknown = JSON.parse(reply);
  if (!isObject(message) || !isObject(message["result"]) || !message["result"]["ttlMs"]) return reply;
  const result = membersOf(reply, reply.indexOf("{")).findLast(({ key }) => key === "result")!;
  const ttl = membersOf(reply, result.valueStart).findLast(({ key }) => key === "ttlMs")!;
  return `${reply.slice(0, ttl.valueStart)}0${reply.slice(ttl.end)}`;
}
