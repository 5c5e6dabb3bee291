import { subjectTag } from "../cache/concerning.ts";
import { contentOf } from "../cache/contentOf.ts";
import type { Entry } from "../cache/entry.ts";
import { listTag } from "../cache/implicitTags.ts";
import type { Address } from "../cache/key.ts";
import type { Exchange } from "./Exchange.ts";
import { sight } from "./sight.ts";

const TOOLS = listTag("tools");

/** Notes that an entry says something else than the one it replaces: whoever listens is told, in any isolate. */
export function noteChange(x: Exchange, address: Address, before: Entry | undefined, after: Entry): void {
  // The eras have wordings of their own for one and the same thing.
  if (!before || before.hash === after.hash || before.era !== after.era) return;
  const tag = subjectTag(address.method, address.target);
  if (tag === undefined || !isWorthIt(x, address, tag) || contentOf(before) === contentOf(after)) return;
  sight(x, { address, tag, before, after });
}

/** Whether anybody may want to know. Some resources say something else each time that they are read. */
function isWorthIt({ feed, isolate }: Exchange, { partition }: Address, tag: string): boolean {
  // What everybody is shown, other isolates show too; and what the tools are, the operator wants to know.
  const isList = tag.startsWith(listTag(""));
  if (tag === TOOLS || (isList && partition.scope === "public") || isolate.listening.streams.size > 0) return true;
  return isList ? (feed.listened?.lists.some((list) => listTag(list) === tag) ?? false) : !!feed.listened?.resources;
}
