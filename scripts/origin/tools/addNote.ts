import type { McpServer } from "@modelcontextprotocol/server";
import * as z from "zod";
import type { Context } from "../context.ts";
import { featureUris, NOTES_URI } from "../featureUri.ts";
import { Note } from "../openNotes.ts";
import { ADDS } from "./annotations.ts";
import { answer } from "./answer.ts";
import { refuseId } from "./refuse.ts";

const input = z.object({
  id: z.string().min(1).max(200).describe("The id of a feature"),
  text: z.string().trim().min(1).max(2_000).describe("The note"),
});

const output = z.object({ id: z.string(), note: Note, count: z.int().describe("Notes on that feature now") });

/** Adds `add_note`: keeps a note on a feature, and tells those who listen once it is stored. */
export function addAddNote(server: McpServer, { catalog, notes, bus }: Context): void {
  server.registerTool(
    "add_note",
    {
      title: "Add a note to a feature",
      description:
        "Adds a note to a feature. It shows up in get_feature and in the resources of the feature and of all notes. " +
        "Calling it twice adds two notes.",
      inputSchema: input,
      outputSchema: output,
      annotations: ADDS,
    },
    async ({ id, text }) => {
      if (!catalog.byId.has(id)) return refuseId(id);
      const { notes: now, first } = await notes.add(id, text);
      for (const uri of featureUris(id)) bus.publish({ kind: "resource_updated", uri });
      bus.publish({ kind: "resource_updated", uri: NOTES_URI });
      // With the first note, the resource of all notes joins the list.
      if (first) bus.publish({ kind: "resources_list_changed" });
      return answer({ id, note: now.at(-1), count: now.length });
    },
  );
}
