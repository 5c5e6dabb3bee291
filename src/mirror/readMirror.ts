import type { AnswerRule } from "../config/mirror.ts";
import { answerByKey } from "./answerByKey.ts";
import { answerRows } from "./answerRows.ts";
import type { Asked } from "./Asked.ts";
import { isCovered } from "./isCovered.ts";
import type { Mirrored, MirrorReply } from "./MirrorReply.ts";

/**
 * Answers a call of a tool by its rule, in one round trip; in two where a row is not found and words have to be looked up
 * for that, or a replica of the database is behind a cursor. Errors of D1 are thrown as they are, but for tables that have
 * not been made yet.
 */
export async function readMirror(
  db: D1Database,
  collections: ReadonlyMap<string, Mirrored>,
  rule: AnswerRule,
  args: Readonly<Record<string, unknown>>,
  { tool }: { tool: string },
): Promise<MirrorReply> {
  if (!isCovered(rule, args)) return { kind: "none", why: "not-covered" };
  const asked: Asked = { db, collections, rule, args, tool };
  try {
    return await (rule.query.kind === "key" ? answerByKey(asked, rule.query) : answerRows(asked, rule.query));
  } catch (error) {
    if (isUnmade(error)) return { kind: "none", why: "not-synced" };
    throw error;
  }
}

/** Whether D1 says that there are no tables of a collection yet. */
export function isUnmade(error: unknown): boolean {
  return error instanceof Error && /no such table: (?:rows|text):/.test(error.message);
}
