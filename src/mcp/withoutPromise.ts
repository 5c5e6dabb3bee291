import { isObject } from "./isObject.ts";
import { membersOf } from "./members.ts";
import { messageIn } from "./messageIn.ts";

/** A JSON-RPC response that promises its caller nothing (`ttlMs` of 0), whatever the server says. The rest of the text stays as it is. */
export function withoutPromise(reply: string): string {
  // A key may be written with escapes.
  if (!reply.includes("ttlMs") && !reply.includes("\\u")) return reply;
  const message = messageIn(reply);
  if (!message || !isObject(message["result"]) || !message["result"]["ttlMs"]) return reply;
  const result = membersOf(reply, reply.indexOf("{")).findLast(({ key }) => key === "result")!;
  const ttl = membersOf(reply, result.valueStart).findLast(({ key }) => key === "ttlMs")!;
  return `${reply.slice(0, ttl.valueStart)}0${reply.slice(ttl.end)}`;
}
