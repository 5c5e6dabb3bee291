import type { ServerEventBus } from "@modelcontextprotocol/server";
import type { Catalog } from "./loadCatalog.ts";
import type { Notes } from "./openNotes.ts";

/** What the tools, resources and prompts work with. One for the life of an origin. */
export interface Context {
  catalog: Catalog;
  notes: Notes;
  /** Where changes are published for the open `subscriptions/listen` streams. */
  bus: ServerEventBus;
}
