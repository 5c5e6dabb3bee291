import { isListing, OwnCalls } from "../origin/OwnCalls.ts";
import { noPage } from "./noPage.ts";
import type { MirrorSetup } from "./MirrorSetup.ts";
import type { NoPage } from "./Source.ts";
import type { SourceTools } from "./SourceTools.ts";

/** Of all of a collection's tools together, in characters. */
const MAX_SCHEMAS = 262_144;

/**
 * The input schemas of the tools that are answered from a collection, as the origin lists them: JSON, by name in the order
 * of the names. Without those that it does not list, lists twice, or that do not fit.
 */
export async function inputSchemasOf(
  { origin, eras, collection }: MirrorSetup,
  tools: SourceTools,
): Promise<{ json: string; requests: number } | NoPage> {
  if (collection.tools.length === 0) return { json: "{}", requests: 0 };
  const calls = new OwnCalls(origin, eras, tools);
  const listed = await calls.tools();
  if (!isListing(listed)) return noPage(listed, "tools/list");
  const members: string[] = [];
  let left = MAX_SCHEMAS - 2;
  for (const name of [...new Set(collection.tools)].sort()) {
    const schema = listed.get(name)?.schema;
    if (schema === undefined) continue;
    const member = `${JSON.stringify(name)}:${JSON.stringify(schema)}`;
    if (member.length >= left) continue;
    left -= member.length + 1;
    members.push(member);
  }
  return { json: `{${members.join(",")}}`, requests: calls.requests };
}
