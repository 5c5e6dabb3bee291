import type { McpServer } from "@modelcontextprotocol/server";
import * as z from "zod";
import type { Context } from "../context.ts";
import { readCursor, writeCursor } from "../cursor.ts";
import type { Catalog } from "../loadCatalog.ts";
import { isPlain, statementsOf, summariseSupport } from "../summariseSupport.ts";
import { READS } from "./annotations.ts";
import { answer } from "./answer.ts";
import { refuseCursor } from "./refuse.ts";

const input = z.object({
  cursor: z.string().max(200).optional().describe("The nextCursor of the page before; leave out for the first page"),
  limit: z.int().min(1).max(5_000).default(1_000).describe("The most rows to return"),
});

const Row = z.object({
  id: z.string(),
  browser: z.string(),
  added: z
    .string()
    .nullable()
    .describe("First version with it; null when not supported, or only with a flag or prefix"),
  removed: z.string().nullable(),
  partial: z.boolean(),
});

const output = z.object({
  support: z.array(Row),
  nextCursor: z.string().optional().describe("Present while there is more"),
});

/** Adds `list_support`: one row for each feature and browser that the data speaks of, page by page. */
export function addListSupport(server: McpServer, { catalog }: Context): void {
  server.registerTool(
    "list_support",
    {
      title: "List all support rows",
      description:
        "Lists the support of every feature in every browser, page by page, ordered by feature id and browser. " +
        "Meant for taking a copy of the table.",
      inputSchema: input,
      outputSchema: output,
      annotations: READS,
    },
    ({ cursor, limit }) => {
      const size = catalog.features.length * catalog.browsers.size;
      const start = cursor === undefined ? 0 : readCursor("support", catalog.version, size, cursor);
      return start === undefined ? refuseCursor() : answer(page(catalog, start, limit, size));
    },
  );
}

/** The rows from a place on. A place is a cell of the table of features by browsers; cells without data give no row. */
function page(catalog: Catalog, start: number, limit: number, size: number): z.infer<typeof output> {
  const browsers = [...catalog.browsers.keys()];
  const support: z.infer<typeof Row>[] = [];
  for (let cell = start; cell < size; cell++) {
    const feature = catalog.features[Math.floor(cell / browsers.length)];
    const browser = browsers[cell % browsers.length];
    const statements = feature && browser ? statementsOf(feature, browser) : undefined;
    if (!feature || !browser || !statements) continue;
    // Only a further row makes a further page, so the last page is never empty.
    if (support.length === limit) return { support, nextCursor: writeCursor("support", catalog.version, cell) };
    const { added, removed, partial } = summariseSupport(statements);
    const plain = statements.some(isPlain);
    support.push({ id: feature.id, browser, added: plain ? added : null, removed: plain ? removed : null, partial });
  }
  return { support };
}
