import { parseDuration } from "./duration.ts";
import { thatCount } from "./thatCount.ts";
import type { Budget, ToolBounds } from "./replica.ts";
import { parseSize } from "./size.ts";
import type { ToolConfig } from "./types.ts";

/** The largest answer that is read under a budget: what it says of size is at most this. 16 MB. */
export const MAX_BUDGET_BYTES = 16 * 1_048_576;
/** A token is counted as so many bytes of UTF-8: about what models make of English and of JSON. */
export const TOKEN_BYTES = 4;

/** What is left of a tool's calls and answers to bound; `undefined` where its entry bounds nothing. `name` is the entry's. */
export function boundsOf(name: string, { limit, budget, expensive }: ToolConfig): ToolBounds | undefined {
  if (limit === undefined && budget === undefined && !expensive) return undefined;
  return {
    name,
    limiter: limit,
    budget: budget && {
      ...(budget.bytes !== undefined && { bytes: parseSize(budget.bytes)! }),
      ...(budget.tokens !== undefined && { tokens: budget.tokens }),
      ...(budget.time !== undefined && { timeMs: parseDuration(budget.time)! }),
    },
    isExpensive: expensive ?? false,
  };
}

/** The budgets of an origin's tools by name or pattern, see `thatCount`. */
export function budgetsOf(tools: Readonly<Record<string, ToolConfig>> = {}): Record<string, Budget | null> | undefined {
  return thatCount(
    Object.entries(tools).map(([name, tool]) => [name, boundsOf(name, tool)?.budget ?? null]),
    null,
  );
}
