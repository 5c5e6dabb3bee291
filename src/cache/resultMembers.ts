import { membersOf, type Member } from "../mcp/members.ts";

/** Members of a result that belong to one era, and are told anew to each caller. */
const ERA_MEMBERS: ReadonlySet<string> = new Set(["resultType", "_meta"]);
const HINT_MEMBERS: ReadonlySet<string> = new Set(["ttlMs", "cacheScope"]);

/**
 * The members of the result in a reply (the text of one JSON-RPC response that has a result, an object) as they stand in
 * the text; `undefined` where two have one name, so that nobody can tell which is meant.
 */
export function resultMembers(reply: string): Member[] | undefined {
  const results = membersOf(reply, reply.indexOf("{")).filter(({ key }) => key === "result");
  if (results.length !== 1) return undefined;
  const members = membersOf(reply, results[0]!.valueStart);
  return new Set(members.map(({ key }) => key)).size === members.length ? members : undefined;
}

/** Whether a member of a result is the same for all callers; `hinted` says whether `ttlMs` and `cacheScope` are hints in it. */
export function isNeutral(key: string, hinted: boolean): boolean {
  return !ERA_MEMBERS.has(key) && !(hinted && HINT_MEMBERS.has(key));
}
