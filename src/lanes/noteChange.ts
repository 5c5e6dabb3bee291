import type { Entry } from "../cache/entry.ts";
import type { Address } from "../cache/key.ts";
import { changeShownBy } from "../mcp/change.ts";
import { membersOf } from "../mcp/members.ts";
import type { Exchange } from "./Exchange.ts";

/** Notes, for those who listen, that an entry says something else than the one it replaces. */
export function noteChange(x: Exchange, address: Address, before: Entry | undefined, after: Entry): void {
  const { streams, changes } = x.isolate.listening;
  // The eras have wordings of their own for one and the same thing.
  if (!before || streams.size === 0 || before.hash === after.hash || before.era !== after.era) return;
  const { originId, method, target, partition } = address;
  const change = changeShownBy(method, target);
  if (!change || contentOf(before) === contentOf(after)) return;
  const principal = partition.scope === "private" ? partition.principal : undefined;
  changes.add({ originId, change, principal, replacedAt: before.storedAt });
}

/** What an entry says, but for the cursor to the next page: some origins make a new one up each time. */
function contentOf({ body }: Entry): string {
  if (!body.includes('"nextCursor"')) return body;
  return membersOf(`{${body}}`, 0)
    .filter(({ key }) => key !== "nextCursor")
    .map(({ start, end }) => body.slice(start - 1, end - 1))
    .join(",");
}
