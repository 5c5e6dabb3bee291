import type { RowSource } from "../config/mirror.ts";
import type { OwnCalls } from "../origin/OwnCalls.ts";
import { noPage } from "./noPage.ts";
import { rowsIn } from "./rowsIn.ts";
import type { NoPage, Page } from "./Source.ts";

/** A page of a tool that lists. The cursor is the JSON of the tool's own. */
export async function toolPage(
  calls: OwnCalls,
  from: Extract<RowSource, { kind: "tool" }>,
  cursor: string | undefined,
): Promise<Omit<Page, "requests"> | NoPage> {
  const { tool, cursor: paging } = from;
  const next = cursor !== undefined && paging && { [paging.argument]: JSON.parse(cursor) as unknown };
  const answer = await calls.ask("tools/call", { name: tool, arguments: { ...from.arguments, ...next } });
  const what = `a call of ${tool}`;
  if ("error" in answer) {
    const { bad } = noPage(answer, what) as { bad: string };
    return { bad: `${bad} See that "from" names one of its tools, and arguments that it takes.` };
  }
  if (!("result" in answer)) return noPage(answer, what);
  const page = rowsIn(answer, from);
  return "bad" in page ? noPage(page, what) : page;
}
