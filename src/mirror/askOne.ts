import { RESOURCES, type Collection, type RowAsking } from "../config/mirror.ts";
import { parseTemplate } from "../config/template.ts";
import { isObject } from "../mcp/isObject.ts";
import { isListing, type OwnCalls } from "../origin/OwnCalls.ts";
import { answeredIn } from "./answeredIn.ts";
import { fillTemplate } from "./fillTemplate.ts";
import { mirroredRead } from "./mirroredRead.ts";
import { noPage } from "./noPage.ts";
import { valueAt } from "../mcp/pointer.ts";
import { resourceRow } from "./resourceRow.ts";
import type { NoPage, One } from "./Source.ts";
import { expandUri } from "./uriTemplate.ts";

type Keyed = Pick<Collection, "name" | "row" | "keyNames">;

/** Asks for one row by its key: as the operator says, else by the resource that it came from. */
export async function askOne(
  calls: OwnCalls,
  { name, row, keyNames }: Keyed,
  key: readonly string[],
  uri: string | undefined,
): Promise<One | NoPage> {
  if (name === RESOURCES) return oneMirrored(calls, key[0] ?? "");
  const part = (of: string) => key[keyNames.indexOf(of)];
  if (row && "tool" in row) return oneOfTool(calls, row, part);
  const resource = row ? expandUri(row.resource, part) : uri;
  if (resource !== undefined) return resourceRow(calls, resource);
  return { bad: `How one row of ${name} is asked for is not known: it has no \`row\`, and came from no resource.` };
}

async function oneMirrored(calls: OwnCalls, key: string): Promise<One | NoPage> {
  if (!key.startsWith("read:")) return { bad: "Lists of resources are not asked for one by one." };
  const read = await mirroredRead(calls, key.slice("read:".length));
  if ("failure" in read || "gone" in read) return read;
  // What is not mirrored any more, the origin is asked for.
  return "why" in read ? { gone: true } : { row: read };
}

type PartOf = (name: string) => string | undefined;

async function oneOfTool(
  calls: OwnCalls,
  { tool, arguments: templates, at }: Extract<RowAsking, { tool: string }>,
  part: PartOf,
): Promise<One | NoPage> {
  const what = `a call of ${tool}`;
  const listed = await calls.known();
  if (!isListing(listed)) return noPage(listed, "tools/list");
  const args = fitting(filled(templates, part), listed.get(tool)?.schema);
  const answer = await calls.ask("tools/call", { name: tool, arguments: args });
  if (!("result" in answer)) return noPage(answer, what);
  const answered = answeredIn(answer.result, answer.text);
  if ("bad" in answered) return noPage(answered, what);
  const row = valueAt(answered.value, at);
  if (row === null) return { gone: true };
  return row === undefined ? noPage({ bad: `it has nothing at ${at}` }, what) : { row };
}

/** The arguments, with the key's parts in place. */
function filled(template: unknown, part: PartOf): unknown {
  if (typeof template === "string") {
    return fillTemplate(parseTemplate(template) ?? [template], (path) => part(path.join(".")));
  }
  if (Array.isArray(template)) return template.map((one) => filled(one, part));
  if (!isObject(template)) return template;
  return Object.fromEntries(Object.entries(template).map(([name, value]) => [name, filled(value, part)]));
}

/** The arguments as the tool's schema has them: keys are text, which a number may have to be read from. */
function fitting(args: unknown, schema: unknown): unknown {
  const properties = isObject(schema) ? schema["properties"] : undefined;
  if (!isObject(args) || !isObject(properties)) return args;
  return Object.fromEntries(
    Object.entries(args).map(([name, value]) => {
      const property = Object.hasOwn(properties, name) ? properties[name] : undefined;
      const type = isObject(property) ? property["type"] : undefined;
      const isNumber = (type === "number" || type === "integer") && typeof value === "string" && value.trim() !== "";
      return [name, isNumber && Number.isFinite(Number(value)) ? Number(value) : value];
    }),
  );
}
