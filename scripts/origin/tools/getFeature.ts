import type { McpServer } from "@modelcontextprotocol/server";
import * as z from "zod";
import type { Context } from "../context.ts";
import { Described, describeFeature } from "../describeFeature.ts";
import { READS } from "./annotations.ts";
import { answer } from "./answer.ts";
import { refuseId } from "./refuse.ts";

const input = z.object({
  id: z.string().min(1).max(200).describe('The id of a feature, such as "api.AbortController"'),
});

/** Adds `get_feature`: one feature in full, with the support of every browser and the notes on it. */
export function addGetFeature(server: McpServer, { catalog, notes }: Context): void {
  server.registerTool(
    "get_feature",
    {
      title: "Get a feature",
      description:
        "Returns one feature: description, MDN and specification links, status, a summary of the support " +
        "by browser, and the notes that were added to it.",
      inputSchema: input,
      outputSchema: Described,
      annotations: READS,
    },
    ({ id }) => {
      const feature = catalog.byId.get(id);
      return feature ? answer(describeFeature(catalog, notes, feature)) : refuseId(id);
    },
  );
}
