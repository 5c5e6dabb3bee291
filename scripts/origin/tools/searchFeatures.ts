import type { McpServer } from "@modelcontextprotocol/server";
import * as z from "zod";
import type { Context } from "../context.ts";
import { Brief, briefly } from "../describeFeature.ts";
import { READS } from "./annotations.ts";
import { answer } from "./answer.ts";

const input = z.object({
  query: z.string().trim().min(1).max(200).describe("Words to look for; every one of them must match"),
  limit: z.int().min(1).max(200).default(20).describe("The most features to return"),
});

const output = z.object({
  features: z.array(Brief),
  total: z.int().describe("How many features match in all"),
});

/** Adds `search_features`: the features whose id or description holds every word of a query, ordered by id. */
export function addSearchFeatures(server: McpServer, { catalog }: Context): void {
  server.registerTool(
    "search_features",
    {
      title: "Search web platform features",
      description:
        "Finds features in MDN's browser compatibility data. " +
        "Every word of the query must occur in the id or the description, in either case. Ordered by id.",
      inputSchema: input,
      outputSchema: output,
      annotations: READS,
    },
    ({ query, limit }) => {
      const words = query.toLowerCase().split(/\s+/);
      const found = catalog.features.filter(({ searchable }) => words.every((word) => searchable.includes(word)));
      return answer({ features: found.slice(0, limit).map(briefly), total: found.length });
    },
  );
}
