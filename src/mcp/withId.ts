import { membersOf } from "./members.ts";

/** A JSON-RPC response with another id; the rest of the text stays as it is. */
export function withId(reply: string, id: string | number | null): string {
  const open = reply.indexOf("{");
  const member = membersOf(reply, open).findLast(({ key }) => key === "id");
  const value = JSON.stringify(id);
  if (!member) return `${reply.slice(0, open + 1)}"id":${value},${reply.slice(open + 1)}`;
  return reply.slice(0, member.valueStart) + value + reply.slice(member.end);
}
