import type { McpServer } from "@modelcontextprotocol/server";
import * as z from "zod";
import type { Context } from "../context.ts";
import { featureUris, NOTES_URI } from "../featureUri.ts";
import { Note } from "../openNotes.ts";
import { ADDS, ADDS_ONCE } from "./annotations.ts";
import { answer } from "./answer.ts";
import { refuse, refuseId } from "./refuse.ts";

const input = z.object({
  id: z.string().min(1).max(200).describe("The id of a feature"),
  text: z.string().trim().min(1).max(2_000).describe("The note"),
});

const output = z.object({ id: z.string(), note: Note, count: z.int().describe("Notes on that feature now") });

const request = z
  .string()
  .min(1)
  .max(200)
  .describe("The same for each try of one request; or in the header Idempotency-Key");

/** The header that may stand in for `request_id`. */
const HEADER = "idempotency-key";

/** Adds `add_note` and `add_note_once`: they keep a note on a feature, and tell those who listen once it is stored. */
export function addAddNote(server: McpServer, { catalog, notes, bus }: Context): void {
  const tell = (id: string, first: boolean) => {
    for (const uri of featureUris(id)) bus.publish({ kind: "resource_updated", uri });
    bus.publish({ kind: "resource_updated", uri: NOTES_URI });
    // With the first note, the resource of all notes joins the list.
    if (first) bus.publish({ kind: "resources_list_changed" });
  };
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
      tell(id, first);
      return answer({ id, note: now.at(-1), count: now.length });
    },
  );
  server.registerTool(
    "add_note_once",
    {
      title: "Add a note to a feature, once",
      description:
        "Adds a note to a feature, as add_note does. Calls with the same request_id are one: the note is added once, " +
        "and all of them are told so.",
      inputSchema: input.extend({ request_id: request.optional() }),
      outputSchema: output,
      annotations: ADDS_ONCE,
    },
    async ({ id, text, request_id: argument }, { http }) => {
      const header = http?.req?.headers.get(HEADER) ?? undefined;
      const requestId = argument ?? header;
      if (requestId === undefined) return refuse("A request_id is needed, or the header Idempotency-Key.");
      if (header !== undefined && header !== requestId)
        return refuse("The header Idempotency-Key is not the request_id.");
      if (!catalog.byId.has(id)) return refuseId(id);
      const added = await notes.addOnce(id, text, requestId);
      if (!added) return refuse("Another note was added with that request_id.");
      if (!added.isRepeated) tell(id, added.first);
      return answer({ id, note: added.note, count: added.notes.length });
    },
  );
}
