import { handshake } from "./handshake.ts";
import { itemText, LOOKUPS } from "./items.ts";
import { serveResults } from "./serveResults.ts";
import type { Started } from "./startWorker.ts";

/** A server that lists rows. */
export interface Items extends Started {
  /** From now on the first row says something else. */
  change(): void;
}

/** The rows of a page. */
export const PAGE = 2_000;

const text = { type: "string" };
const PROPERTIES = { id: text, category: text, maxPrice: { type: "number" }, query: text };
const TOOLS = ["list_items", ...LOOKUPS].map((name) => ({
  name,
  inputSchema: {
    type: "object",
    properties: name === "list_items" ? { cursor: text } : PROPERTIES,
  },
  annotations: { readOnlyHint: true },
}));

/** Starts an MCP server that lists so many rows, a page at a time. What finds rows it does not answer: that is the mirror's to do. */
export async function startItems(size: number): Promise<Items> {
  let edition = 0;
  const served = await serveResults((method, { name, arguments: args }) => {
    if (method === "tools/call" && name === "list_items") return page(cursorIn(args), size, edition);
    const result = handshake(method, TOOLS);
    return result && JSON.stringify(result);
  });
  return { ...served, change: () => void edition++ };
}

function cursorIn(args: unknown): number {
  return Number((args as { cursor?: string } | undefined)?.cursor ?? 0);
}

function page(begin: number, size: number, edition: number): string {
  const end = Math.min(size, begin + PAGE);
  const items = Array.from({ length: end - begin }, (_, index) =>
    itemText(begin + index, size, begin + index === 0 ? edition : 0),
  );
  const next = end < size ? `,"nextCursor":"${end}"` : "";
  return `{"content":[],"structuredContent":{"items":[${items.join(",")}],"total":${size}${next}},"resultType":"complete"}`;
}
