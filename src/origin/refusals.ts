import { errorCode } from "../mcp/errorCode.ts";
import { isLegacyCode, isModernCode } from "../mcp/eraWords.ts";
import { CODE } from "../mcp/names.ts";
import { FORGETFUL } from "./PooledCall.ts";
import type { Reply } from "./readReply.ts";

/** In which way an origin was asked: in the modern revision, in an earlier one without sessions, or in a session of the pool. */
export type WayKind = "modern" | "stateless" | "pooled";

/** What is small enough to be looked at. */
type Whole = Exclude<Reply, { tooLarge: true }>;

/** With which HTTP status a message is refused that is of another era, or of no session. */
const UNTAKEN: ReadonlySet<number> = new Set([400, 404, 405, 406, 415]);

/** Whether a reply is one with which an origin may refuse the era that it is asked in. */
export function isRefusal(reply: Whole, kind: WayKind): boolean {
  if ("text" in reply) {
    const code = errorCode(reply.text);
    if (kind === "modern") return reply.status === 400 && isLegacyCode(code);
    return isModernCode(code) || (reply.status >= 400 && isLegacyCode(code));
  }
  if (reply.failure.kind !== "garbage") return false;
  return kind === "pooled" || (reply.failure.status ?? 0) >= 400;
}

/** Whether it says for certain that a call was not executed, as it came in another era than the origin's, or in no session. */
export function isUntaken(reply: Whole, kind: WayKind): boolean {
  if ("failure" in reply) {
    const { failure } = reply;
    if (failure === FORGETFUL) return true;
    return failure.kind === "garbage" && failure.status !== undefined && UNTAKEN.has(failure.status);
  }
  if (!UNTAKEN.has(reply.status)) return false;
  const code = errorCode(reply.text);
  return isLegacyCode(code) || (kind !== "modern" && isModernCode(code));
}

/** Whether it was refused for headers that are not those that mirror its arguments. */
export function isMismatch(reply: Whole): boolean {
  return "text" in reply && reply.status === 400 && errorCode(reply.text) === CODE.headerMismatch;
}
