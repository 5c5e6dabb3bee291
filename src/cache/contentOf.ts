import { membersOf } from "../mcp/members.ts";
import type { Entry } from "./entry.ts";

/** What an entry says, but for the cursor to the next page: some origins make a new one up each time. */
export function contentOf({ body }: Pick<Entry, "body">): string {
  if (!body.includes('"nextCursor"')) return body;
  return membersOf(`{${body}}`, 0)
    .filter(({ key }) => key !== "nextCursor")
    .map(({ start, end }) => body.slice(start - 1, end - 1))
    .join(",");
}
