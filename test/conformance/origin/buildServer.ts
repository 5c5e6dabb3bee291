import { McpServer, type ProtocolEra } from "@modelcontextprotocol/server";
import { type Context, TASKS } from "./context.ts";
import { CACHE_HINTS } from "./hints.ts";
import { addPrompts } from "./prompts.ts";
import { addResources, addSubscriptions } from "./resources.ts";
import { serveTasks } from "./tasks/serveTasks.ts";
import { addAskingTools } from "./tools/asking.ts";
import { addChangeTools } from "./tools/changes.ts";
import { addContentTools } from "./tools/content.ts";
import { addInputRequiredTools } from "./tools/inputRequired.ts";
import { addSchemaTools } from "./tools/schemas.ts";
import { addStreamTools } from "./tools/streams.ts";
import { addTaskTools } from "./tools/tasks.ts";

/** The server for one modern request or one legacy session, with all that the conformance suite looks for. */
export function buildServer(context: Context, era: ProtocolEra): McpServer {
  const server = new McpServer(
    { name: "conformance-origin", version: "1.0.0" },
    {
      capabilities: {
        tools: { listChanged: true },
        prompts: { listChanged: true },
        resources: { listChanged: true, subscribe: true },
        completions: {},
        logging: {},
        ...(era === "modern" && context.hasTasks && { extensions: { [TASKS]: {} } }),
      },
      cacheHints: CACHE_HINTS,
      requestState: { verify: (state, ctx) => context.states.verify(state, ctx) },
    },
  );
  addContentTools(server);
  addSchemaTools(server);
  addStreamTools(server);
  addAskingTools(server);
  addInputRequiredTools(server, context);
  addChangeTools(server, context);
  addResources(server);
  addPrompts(server, context);
  if (era === "legacy") {
    addSubscriptions(server);
  } else {
    // Tasks are an extension of the modern era.
    addTaskTools(server, context);
    if (context.hasTasks) serveTasks(server, context);
  }
  return server;
}
