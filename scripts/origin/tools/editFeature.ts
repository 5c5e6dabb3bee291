import type { McpServer } from "@modelcontextprotocol/server";
import * as z from "zod";
import type { Context } from "../context.ts";
import { featureUris } from "../featureUri.ts";
import { DESTROYS } from "./annotations.ts";
import { answer } from "./answer.ts";
import { refuseId } from "./refuse.ts";

const id = z.string().min(1).max(200).describe("The id of a feature");

/** Adds `set_description` and `remove_feature`, where the origin can be edited: they tell those who listen. */
export function addEdits(server: McpServer, { edits, bus }: Context): void {
  if (!edits) return;
  const changed = (of: string) => {
    for (const uri of featureUris(of)) bus.publish({ kind: "resource_updated", uri });
  };
  server.registerTool(
    "set_description",
    {
      title: "Describe a feature otherwise",
      description: "Gives a feature another description. It is forgotten when the server ends.",
      inputSchema: z.object({ id, description: z.string().trim().min(1).max(2_000) }),
      outputSchema: z.object({ id: z.string(), description: z.string() }),
      annotations: DESTROYS,
    },
    ({ id, description }) => {
      if (!edits.describe(id, description)) return refuseId(id);
      changed(id);
      return answer({ id, description });
    },
  );
  server.registerTool(
    "remove_feature",
    {
      title: "Remove a feature",
      description: "Takes a feature out of the data. It is back when the server starts again.",
      inputSchema: z.object({ id }),
      outputSchema: z.object({ id: z.string(), total: z.int().describe("How many features are left") }),
      annotations: DESTROYS,
    },
    ({ id }) => {
      if (!edits.remove(id)) return refuseId(id);
      changed(id);
      return answer({ id, total: edits.current.features.length });
    },
  );
}
