import type { McpServer } from "@modelcontextprotocol/server";
import * as z from "zod";
import { parseVersion } from "../compareVersions.ts";
import type { Context } from "../context.ts";
import { Brief, briefly } from "../describeFeature.ts";
import { statementsOf, supportedAt } from "../summariseSupport.ts";
import { READS } from "./annotations.ts";
import { answer } from "./answer.ts";
import { refuse, refuseBrowser } from "./refuse.ts";

const input = z.object({
  browser: z.string().min(1).max(100).describe('A browser, such as "firefox" or "safari_ios"'),
  version: z.string().min(1).max(50).describe('A version number, such as "120" or "16.4"'),
  limit: z.int().min(1).max(1_000).default(100).describe("The most features to return"),
});

const output = z.object({
  features: z.array(Brief),
  total: z.int().describe("How many features that version supports in all"),
});

/** Adds `list_supported`: the features that one version of one browser has, ordered by id. */
export function addListSupported(server: McpServer, { catalog }: Context): void {
  server.registerTool(
    "list_supported",
    {
      title: "List supported features",
      description:
        "Lists the features that a version of a browser supports, be it in part, with no flag, prefix or other " +
        "name. Versions are compared number by number. Ordered by id.",
      inputSchema: input,
      outputSchema: output,
      annotations: READS,
    },
    ({ browser, version, limit }) => {
      if (!catalog.browsers.has(browser)) return refuseBrowser(catalog, browser);
      if (!parseVersion(version)) {
        return refuse(`${JSON.stringify(version)} is not a version number such as "120" or "16.4".`);
      }
      const found = catalog.features.filter((feature) => {
        const statements = statementsOf(feature, browser);
        return statements !== undefined && supportedAt(statements, version);
      });
      return answer({ features: found.slice(0, limit).map(briefly), total: found.length });
    },
  );
}
