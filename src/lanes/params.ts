import type { Call } from "../mcp/recognise.ts";
import { paramHeadersAgree, type ToolFacts } from "../mcp/toolFacts.ts";
import type { Exchange } from "./Exchange.ts";
import { catalogueOf } from "./learn.ts";

/** Whether `Mcp-Param-*` say what the arguments say. Of an unknown tool nothing is known to be required. */
export function headersAgree(x: Exchange, call: Call, facts: ToolFacts | undefined): boolean {
  if (facts) return paramHeadersAgree(facts.paramHeaders, call.variant, (name) => x.headers.get(name));
  for (const name of x.headers.keys()) if (name.startsWith("mcp-param-")) return false;
  return true;
}

/** Whether `Mcp-Param-*` contradict the arguments of a tool that is known to declare them. */
export function contradictsParams(x: Exchange, call: Call): boolean {
  const facts = call.method === "tools/call" && call.era === "modern" && catalogueOf(x).get(call.target!);
  return facts !== undefined && facts !== false && !headersAgree(x, call, facts);
}
