import type { McpServer } from "@modelcontextprotocol/server";
import * as z from "zod";
import type { Context } from "../context.ts";
import { readCursor, writeCursor } from "../cursor.ts";
import { Brief, briefly, Described, describeFeature } from "../describeFeature.ts";
import { READS } from "./annotations.ts";
import { answer } from "./answer.ts";
import { refuseCursor } from "./refuse.ts";

const input = z.object({
  cursor: z.string().max(200).optional().describe("The nextCursor of the page before; leave out for the first page"),
  limit: z.int().min(1).max(2_000).default(500).describe("The most features to return"),
  detail: z.enum(["full"]).optional().describe("full: features as get_feature gives them, instead of in short"),
});

const output = z.object({
  features: z.union([z.array(Described), z.array(Brief)]),
  total: z.int().describe("How many features there are in all"),
  nextCursor: z.string().optional().describe("Present while there is more"),
});

/** Adds `list_features`: every feature, page by page, for those who want a copy. */
export function addListFeatures(server: McpServer, { catalog, notes }: Context): void {
  server.registerTool(
    "list_features",
    {
      title: "List all features",
      description: "Lists every feature, page by page, ordered by id. Meant for taking a copy of the list.",
      inputSchema: input,
      outputSchema: output,
      annotations: READS,
    },
    ({ cursor, limit, detail }) => {
      const { features, version } = catalog;
      const start = cursor === undefined ? 0 : readCursor("features", version, features.length, cursor);
      if (start === undefined) return refuseCursor();
      const end = start + limit;
      return answer({
        features: features
          .slice(start, end)
          .map((feature) => (detail === "full" ? describeFeature(catalog, notes, feature) : briefly(feature))),
        total: features.length,
        nextCursor: end < features.length ? writeCursor("features", version, end) : undefined,
      });
    },
  );
}
