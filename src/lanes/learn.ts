import type { ToolFacts } from "../mcp/toolFacts.ts";
import { Catalogue } from "../mcp/Catalogue.ts";
import type { Call } from "../mcp/recognise.ts";
import type { Exchange } from "./Exchange.ts";

/** The origin's catalogue in this isolate. */
export function catalogueOf(x: Exchange): Catalogue {
  const { id } = x.origin.settings;
  let catalogue = x.isolate.catalogues.get(id);
  if (!catalogue) x.isolate.catalogues.set(id, (catalogue = new Catalogue()));
  return catalogue;
}

/** Takes in a page of tools, and warns once of each that is cached by name although the origin does not call it read-only. */
export function learn(x: Exchange, page: Iterable<[string, ToolFacts]>): void {
  const catalogue = catalogueOf(x);
  const facts = [...page];
  for (const [name, { readOnly }] of facts) {
    const policy = x.origin.tools.find(name);
    if (readOnly || !policy?.exact || !policy.value.cache || catalogue.get(name)?.readOnly === false) continue;
    x.report({
      type: "policy-warning",
      origin: x.origin.settings.id,
      name,
      message: "cached by name, but the origin does not mark it readOnlyHint: true",
    });
  }
  catalogue.learn(facts);
}

/** Whether the results of the tool that is called are told to legacy callers wrapped. */
export function isWrapped(x: Exchange, call: Call): boolean {
  return call.method === "tools/call" && (catalogueOf(x).get(call.target!)?.isWrapped ?? false);
}
