import { isModern } from "../mcp/envelope.ts";
import { isObject } from "../mcp/isObject.ts";
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

/** Whether `Mcp-Param-*` contradict the arguments of a tool that is known to declare them, whatever else the request carries. */
export function contradictsParams(x: Exchange): boolean {
  const { method, params } = isObject(x.body) ? x.body : {};
  if (method !== "tools/call" || !isModern(x.body) || !isObject(params)) return false;
  const { name, arguments: args } = params;
  const facts = typeof name === "string" ? catalogueOf(x).get(name) : undefined;
  return facts !== undefined && !paramHeadersAgree(facts.paramHeaders, args, (header) => x.headers.get(header));
}
