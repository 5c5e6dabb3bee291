import type { McpServer } from "@modelcontextprotocol/server";
import * as z from "zod";
import type { Context } from "../context.ts";
import { readCursor, writeCursor } from "../cursor.ts";
import type { Catalog } from "../loadCatalog.ts";
import {
  countRows,
  inFull,
  inShort,
  ranges,
  type RowsOf,
  SupportAnswer,
  SupportRange,
  SupportRow,
} from "../supportRows.ts";
import { READS } from "./annotations.ts";
import { answer } from "./answer.ts";
import { refuseCursor } from "./refuse.ts";

const input = z.object({
  cursor: z.string().max(200).optional().describe("The nextCursor of the page before; leave out for the first page"),
  limit: z.int().min(1).max(5_000).default(1_000).describe("The most rows to return"),
  detail: z
    .enum(["full", "ranges"])
    .optional()
    .describe(
      "full: rows as check_support answers; ranges: a row for each range of versions that list_supported goes by",
    ),
});

const output = z.object({
  support: z.union([z.array(SupportAnswer), z.array(SupportRange), z.array(SupportRow)]),
  total: z.int().describe("How many rows there are in all"),
  nextCursor: z.string().optional().describe("Present while there is more"),
});

const KINDS = { short: inShort, full: inFull, ranges } as const satisfies Record<string, RowsOf<unknown>>;

/** Adds `list_support`: rows for each feature and browser that the data speaks of, page by page. */
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
    ({ cursor, limit, detail }) => {
      const size = catalog.features.length * catalog.browsers.size;
      const start = cursor === undefined ? 0 : readCursor("support", catalog.version, size, cursor);
      if (start === undefined) return refuseCursor();
      const rows: RowsOf<unknown> = KINDS[detail ?? "short"];
      return answer({ ...page(catalog, rows, start, limit, size), total: countRows(catalog, rows) });
    },
  );
}

/**
 * The rows from a place on. A place is a cell of the table of features by browsers. What a cell has comes on one page,
 * so that a page of ranges may have a few rows more than the limit.
 */
function page(catalog: Catalog, rows: RowsOf<unknown>, start: number, limit: number, size: number) {
  const browsers = [...catalog.browsers.keys()];
  const support: unknown[] = [];
  for (let cell = start; cell < size; cell++) {
    const feature = catalog.features[Math.floor(cell / browsers.length)]!;
    const found = rows(catalog, feature, browsers[cell % browsers.length]!);
    if (found.length === 0) continue;
    // Only a further row makes a further page, so the last page is never empty.
    if (support.length >= limit) return { support, nextCursor: writeCursor("support", catalog.version, cell) };
    support.push(...found);
  }
  return { support };
}
