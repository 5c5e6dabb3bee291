import { McpServer, type ProtocolEra, type ServerCapabilities } from "@modelcontextprotocol/server";
import { addPrompts } from "./addPrompts.ts";
import { addResources } from "./addResources.ts";
import type { Context } from "./context.ts";
import { addAddNote } from "./tools/addNote.ts";
import { addCheckSupport } from "./tools/checkSupport.ts";
import { addEdits } from "./tools/editFeature.ts";
import { addGetFeature } from "./tools/getFeature.ts";
import { addListFeatures } from "./tools/listFeatures.ts";
import { addListSupport } from "./tools/listSupport.ts";
import { addListSupported } from "./tools/listSupported.ts";
import { addSearchFeatures } from "./tools/searchFeatures.ts";

/** Everyone gets the same lists and resources, and may keep them for a minute. Tool calls have no hint to give. */
const CACHE_HINT = { ttlMs: 60_000, cacheScope: "public" } as const;

/** The server for one request. Servers are cheap: all that is costly to make is in the context. */
export function buildServer(context: Context, era: ProtocolEra): McpServer {
  const server = new McpServer(
    { name: "browser-compat-origin", title: "Browser compatibility data", version: "0.1.0" },
    {
      capabilities: capabilitiesFor(era),
      instructions:
        `MDN's browser compatibility data ${context.catalog.version}. Find ids with search_features, ` +
        "then use get_feature or check_support.",
      cacheHints: {
        "server/discover": CACHE_HINT,
        "tools/list": CACHE_HINT,
        "prompts/list": CACHE_HINT,
        "resources/list": CACHE_HINT,
        "resources/templates/list": CACHE_HINT,
        "resources/read": CACHE_HINT,
      },
    },
  );
  addSearchFeatures(server, context);
  addGetFeature(server, context);
  addCheckSupport(server, context);
  addListSupported(server, context);
  addListFeatures(server, context);
  addListSupport(server, context);
  addAddNote(server, context);
  addEdits(server, context);
  addResources(server, context);
  addPrompts(server, context);
  return server;
}

/**
 * What can be delivered. Tools and prompts never change. Resources do, and the modern era has `subscriptions/listen`
 * for it; the legacy era is served without sessions, so there is no stream on which to tell.
 */
function capabilitiesFor(era: ProtocolEra): ServerCapabilities {
  return {
    tools: { listChanged: false },
    prompts: { listChanged: false },
    resources: era === "modern" ? { listChanged: true, subscribe: true } : { listChanged: false },
    completions: {},
  };
}
