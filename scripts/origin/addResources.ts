import {
  type McpServer,
  type ReadResourceResult,
  ResourceNotFoundError,
  ResourceTemplate,
} from "@modelcontextprotocol/server";
import { completeId } from "./completeId.ts";
import type { Context } from "./context.ts";
import { describeFeature } from "./describeFeature.ts";
import { decodeId, FEATURE_TEMPLATE, NOTES_URI } from "./featureUri.ts";

/** Adds the resources: the browsers, each browser, each feature by template and, once there are any, the notes. */
export function addResources(server: McpServer, context: Context): void {
  addBrowsers(server, context);
  addFeatures(server, context);
  if (!context.notes.isEmpty()) addNotes(server, context);
}

function addBrowsers(server: McpServer, { catalog }: Context): void {
  const list = [...catalog.browsers.values()].map(({ id, title, type, current }) => ({
    id,
    title,
    type,
    current,
    uri: `bcd://browser/${id}`,
  }));
  server.registerResource(
    "browsers",
    "bcd://browsers",
    {
      title: "Browsers",
      description: "The browsers of the data, each with its current version.",
      mimeType: "application/json",
    },
    (uri) => json(uri, { version: catalog.version, browsers: list }),
  );
  for (const browser of catalog.browsers.values()) {
    server.registerResource(
      `browser-${browser.id}`,
      `bcd://browser/${browser.id}`,
      {
        title: browser.title,
        description: `The releases of ${browser.title}, with dates and engines.`,
        mimeType: "application/json",
      },
      (uri) => json(uri, browser),
    );
  }
}

function addFeatures(server: McpServer, { catalog, notes }: Context): void {
  server.registerResource(
    "feature",
    new ResourceTemplate(FEATURE_TEMPLATE, {
      // Not listed: there are some twenty thousand. list_features and the completion of the id name them.
      list: undefined,
      complete: { id: (start) => completeId(catalog, start) },
    }),
    {
      title: "Feature",
      description: "A feature with its support by browser and the notes on it: what get_feature returns.",
      mimeType: "application/json",
    },
    (uri, { id }) => {
      const feature = catalog.byId.get(decodeId(String(id)) ?? "");
      if (!feature) throw new ResourceNotFoundError(uri.href);
      return json(uri, describeFeature(catalog, notes, feature));
    },
  );
}

function addNotes(server: McpServer, { notes }: Context): void {
  server.registerResource(
    "notes",
    NOTES_URI,
    { title: "Notes", description: "All notes, by feature id.", mimeType: "application/json" },
    (uri) => json(uri, { notes: notes.all() }),
  );
}

function json(uri: URL, value: unknown): ReadResourceResult {
  return { contents: [{ uri: uri.href, mimeType: "application/json", text: JSON.stringify(value) }] };
}
