import { completable, type McpServer, ProtocolError, ProtocolErrorCode } from "@modelcontextprotocol/server";
import * as z from "zod";
import { completeId } from "./completeId.ts";
import type { Context } from "./context.ts";
import { supportByBrowser } from "./summariseSupport.ts";

/** Adds the prompt `compare_support`, which asks for a comparison of the browsers on one feature. */
export function addPrompts(server: McpServer, { catalog }: Context): void {
  const completed = completable(z.string().describe("The id of a feature"), (start) => completeId(catalog, start));
  server.registerPrompt(
    "compare_support",
    {
      title: "Compare browser support",
      description: "Asks for a comparison of the browsers' support of one feature, with the data to compare.",
      argsSchema: z.object({ id: completed }),
    },
    ({ id }) => {
      const feature = catalog.byId.get(id);
      if (!feature) {
        throw new ProtocolError(
          ProtocolErrorCode.InvalidParams,
          `There is no feature with the id ${JSON.stringify(id)}.`,
        );
      }
      const text =
        `Compare how the browsers support ${id}. Say which have it and since when, which do not, and what is partial ` +
        `or behind a flag. Use only this data:\n\n${JSON.stringify(supportByBrowser(catalog, feature), null, 2)}`;
      return {
        description: `Browser support of ${id}`,
        messages: [{ role: "user", content: { type: "text", text } }],
      };
    },
  );
}
