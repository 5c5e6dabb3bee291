import { patternTable } from "../config/pattern.ts";
import type { OriginSettings } from "../config/replica.ts";
import { withBudgets } from "../mcp/withBudgets.ts";
import { STATUS_TOOL, withOperationTemplate, withStatusTool, withTasks } from "../mcp/withOperations.ts";
import { withoutTools } from "../mcp/withoutTools.ts";

/** What says how answers are shown otherwise than the origin gives them. */
type Edits = Pick<OriginSettings, "denied" | "budgets" | "tellsOperations">;

/** Whether the tools of lists are cut or marked, whatever else is in an answer. */
export function editsTools({ denied, budgets }: Edits): boolean {
  return denied !== undefined || budgets !== undefined;
}

/** Whether the answers to a method are shown otherwise than the origin gives them. */
export function edits(settings: Edits, method: unknown): boolean {
  if (method === "tools/list") return editsTools(settings) || settings.tellsOperations === true;
  return settings.tellsOperations === true && (method === "server/discover" || method === "resources/templates/list");
}

/** A response to a method as it is shown: what is kept, and what is passed on. */
export function edited(reply: string, method: unknown, settings: Edits): string {
  const shown = method === "tools/list" && editsTools(settings) ? shownTools(reply, settings) : reply;
  if (!settings.tellsOperations) return shown;
  switch (method) {
    case "tools/list":
      // What the operator denies is not there, whoever's it is.
      return isDeniedIn(settings)(STATUS_TOOL) ? shown : withStatusTool(shown);
    case "resources/templates/list":
      return withOperationTemplate(shown);
    case "server/discover":
      return withTasks(shown);
    default:
      return shown;
  }
}

/** The list without the tools that the operator denies, and with the budgets of the others. */
export function shownTools(reply: string, settings: Edits): string {
  const budgets = patternTable(settings.budgets ?? {});
  const shown = settings.denied ? withoutTools(reply, isDeniedIn(settings)) : reply;
  return settings.budgets ? withBudgets(shown, (name) => budgets.find(name)?.value) : shown;
}

/** Which tools the operator denies. */
function isDeniedIn({ denied = {} }: Edits): (name: string) => boolean {
  const table = patternTable(denied);
  return (name) => table.find(name)?.value === true;
}
