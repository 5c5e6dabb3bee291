import { setTimeout as wait } from "node:timers/promises";
import type { McpServer } from "@modelcontextprotocol/server";
import { says } from "../samples.ts";

/** Between two messages of a stream, in ms: long enough that whoever holds messages back is found out. */
const PAUSE_MS = 50;

/** Adds the tools that send something while they work. */
export function addStreamTools(server: McpServer): void {
  for (const name of ["test_tool_with_logging", "test_logging_tool"]) {
    server.registerTool(name, { description: "Logs three messages while it works." }, async (ctx) => {
      await ctx.mcpReq.log("info", "Tool execution started");
      await wait(PAUSE_MS);
      await ctx.mcpReq.log("info", "Tool processing data");
      await wait(PAUSE_MS);
      await ctx.mcpReq.log("info", "Tool execution completed");
      return says("Tool with logging executed successfully");
    });
  }
  server.registerTool("test_tool_with_progress", { description: "Tells its progress three times." }, async (ctx) => {
    const progressToken = ctx.mcpReq._meta?.progressToken;
    for (const progress of [0, 50, 100]) {
      if (progress > 0) await wait(PAUSE_MS);
      if (progressToken === undefined) continue;
      await ctx.mcpReq.notify({
        method: "notifications/progress",
        params: { progressToken, progress, total: 100, message: `Completed ${progress} of 100` },
      });
    }
    return says("Tool with progress executed successfully");
  });
  server.registerTool(
    "test_reconnection",
    { description: "Ends its stream early; the result waits for whoever comes back for it." },
    async (ctx) => {
      ctx.http?.closeSSE?.();
      await wait(PAUSE_MS);
      return says("Reconnection test completed successfully");
    },
  );
}
