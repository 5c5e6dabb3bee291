import type { McpServer } from "@modelcontextprotocol/server";
import * as z from "zod";
import type { Context } from "../context.ts";
import { statementsOf, summariseSupport, Support, supportByBrowser, supportedAt } from "../summariseSupport.ts";
import { READS } from "./annotations.ts";
import { answer } from "./answer.ts";
import { refuse, refuseBrowser, refuseId } from "./refuse.ts";

const input = z.object({
  id: z.string().min(1).max(200).describe("The id of a feature"),
  browser: z.string().min(1).max(100).describe('A browser, such as "firefox" or "safari_ios"'),
});

const output = Support.extend({
  id: z.string(),
  browser: z.string(),
  supported: z.boolean().describe("The current version has it, be it in part, with no flag, prefix or other name"),
  current_version: z.string().describe("The newest released version of the browser"),
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
      outputSchema: output,
      annotations: READS,
    },
    ({ id, browser }) => {
      const feature = catalog.byId.get(id);
      if (!feature) return refuseId(id);
      const known = catalog.browsers.get(browser);
      if (!known) return refuseBrowser(catalog, browser);
      const statements = statementsOf(feature, browser);
      if (!statements) {
        const others = Object.keys(supportByBrowser(catalog, feature)).join(", ");
        return refuse(`The data says nothing about ${id} in ${browser}. It covers ${others}.`);
      }
      const supported = supportedAt(statements, known.current);
      return answer({ id, browser, supported, current_version: known.current, ...summariseSupport(statements) });
    },
  );
}
