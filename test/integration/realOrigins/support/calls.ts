import type { Act } from "./exchange.ts";

/** A call of a tool, as a table of an origin's tools has it. */
export interface Call extends Partial<Act> {
  tool: string;
  arguments: Record<string, unknown>;
  /** The operator lets the replica keep its answers: for all callers alike, or for each one. Not given for what writes. */
  scope?: "public" | "private";
}

/** The tools of a table, each once. */
export const toolsOf = (calls: readonly Call[]): string[] => [...new Set(calls.map(({ tool }) => tool))].sort();

/** What a client does for it. Without more in the table, it just calls. */
export function actOf({ tool, arguments: args, ...act }: Call): Act {
  return { do: (client) => client.callTool({ name: tool, arguments: args }), ...act };
}

/** How a test shows it. */
export const titleOf = ({ tool, arguments: args }: Call): string => `${tool} ${JSON.stringify(args).slice(0, 60)}`;
