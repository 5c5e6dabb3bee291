import type { McpServer } from "@modelcontextprotocol/server";
import * as z from "zod";
import type { Context } from "../context.ts";
import { supportByBrowser } from "../summariseSupport.ts";
import { inFull, SupportAnswer } from "../supportRows.ts";
import { READS } from "./annotations.ts";
import { answer } from "./answer.ts";
import { refuse, refuseBrowser, refuseId } from "./refuse.ts";

const input = z.object({
  id: z.string().min(1).max(200).describe("The id of a feature"),
  browser: z.string().min(1).max(100).describe('A browser, such as "firefox" or "safari_ios"'),
});

/** Adds `check_support`: since when, and until when, one browser has one feature. */
export function addCheckSupport(server: McpServer, { catalog }: Context): void {
  server.registerTool(
    "check_support",
    {
      title: "Check browser support",
      description:
        "Tells whether the current version of a browser supports a feature, the versions that added and " +
        "removed it, whether support is partial, and the flags it needs.",
      inputSchema: input,
      outputSchema: SupportAnswer,
      annotations: READS,
    },
    ({ id, browser }) => {
      const feature = catalog.byId.get(id);
      if (!feature) return refuseId(id);
      if (!catalog.browsers.has(browser)) return refuseBrowser(catalog, browser);
      const [row] = inFull(catalog, feature, browser);
      if (row) return answer(row);
      const others = Object.keys(supportByBrowser(catalog, feature)).join(", ");
      return refuse(`The data says nothing about ${id} in ${browser}. It covers ${others}.`);
    },
  );
}
