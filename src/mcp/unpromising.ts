import { isObject } from "./isObject.ts";
import { membersOf } from "./members.ts";

/** Capabilities that promise notifications outside of an answer. */
const PROMISES: readonly string[] = ["listChanged", "subscribe"];

/** An answer to `initialize` without the promises of notifications, where there is no stream to bring them. The rest of the text stays as it is. */
export function unpromising(reply: string): string {
  const { result } = JSON.parse(reply) as { result?: { capabilities?: unknown } };
  const capabilities = isObject(result) ? result.capabilities : undefined;
  if (!isObject(capabilities)) return reply;
  const kept = Object.fromEntries(Object.entries(capabilities).map(([name, value]) => [name, withoutPromises(value)]));
  const text = JSON.stringify(kept);
  if (text === JSON.stringify(capabilities)) return reply;
  const inReply = membersOf(reply, reply.indexOf("{")).findLast(({ key }) => key === "result")!;
  const member = membersOf(reply, inReply.valueStart).findLast(({ key }) => key === "capabilities")!;
  return reply.slice(0, member.valueStart) + text + reply.slice(member.end);
}

function withoutPromises(value: unknown): unknown {
  if (!isObject(value)) return value;
  return Object.fromEntries(Object.entries(value).filter(([name]) => !PROMISES.includes(name)));
}
