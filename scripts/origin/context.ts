import type { ServerEventBus } from "@modelcontextprotocol/server";
import type { EditableCatalog } from "./editCatalog.ts";
import type { Catalog } from "./loadCatalog.ts";
import type { Notes } from "./openNotes.ts";

/** What the tools, resources and prompts work with. One for the life of an origin. */
export interface Context {
  /** As it is when a request begins. */
  catalog: Catalog;
  /** What the tools that edit work on; `undefined` where there are none. */
  edits: EditableCatalog | undefined;
  notes: Notes;
  /** Where changes are published for the open `subscriptions/listen` streams. */
  bus: ServerEventBus;
}
