import type { OriginFailure } from "../origin/failure.ts";

/** What the origin itself said beside a 5xx or 429, where it said something in JSON-RPC. */
export function ownWords(failure: OriginFailure): { status: number; text: string; retryAfterMs?: number } | undefined {
  if (failure.kind !== "status" || failure.reply === undefined) return undefined;
  const { status, reply: text, retryAfterMs } = failure;
  return { status, text, ...(retryAfterMs !== undefined && { retryAfterMs }) };
}
