import type { McpServer } from "@modelcontextprotocol/server";
import type { Context } from "../context.ts";
import { says } from "../samples.ts";

/** Adds the tools that change a list, and tell those who listen. */
export function addChangeTools(server: McpServer, { bus, changes }: Context): void {
  server.registerTool(
    "test_trigger_tool_change",
    { description: `Changes the list of tools, by this number: ${changes.tools}.` },
    () => {
      changes.tools++;
      bus.publish({ kind: "tools_list_changed" });
      return says("The list of tools has changed.");
    },
  );
  server.registerTool("test_trigger_prompt_change", { description: "Changes the list of prompts." }, () => {
    changes.prompts++;
    bus.publish({ kind: "prompts_list_changed" });
    return says("The list of prompts has changed.");
  });
}
