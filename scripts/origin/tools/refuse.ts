import type { CallToolResult } from "@modelcontextprotocol/server";
import type { Catalog } from "../loadCatalog.ts";

/** A tool result that says in a plain sentence why the tool cannot answer. */
export function refuse(sentence: string): CallToolResult {
  return { content: [{ type: "text", text: sentence }], isError: true };
}

/** The refusal for an id that no feature has. */
export function refuseId(id: string): CallToolResult {
  return refuse(`There is no feature with the id ${JSON.stringify(id)}. Use search_features to find ids.`);
}

/** The refusal for a browser that the data does not know. */
export function refuseBrowser(catalog: Catalog, browser: string): CallToolResult {
  const known = [...catalog.browsers.keys()].join(", ");
  return refuse(`There is no browser ${JSON.stringify(browser)}. The browsers are ${known}.`);
}

/** The refusal for a cursor that did not come from the tool it was given to. */
export function refuseCursor(): CallToolResult {
  return refuse("That cursor is not valid here. Start again without a cursor.");
}
