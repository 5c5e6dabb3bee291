import { isObject } from "./isObject.ts";

/** The tool, prompt or URI in a message's params; `null` where there is none. */
export function targetOf(params: unknown): string | null {
  if (!isObject(params)) return null;
  const name = params["name"] ?? params["uri"];
  return typeof name === "string" ? name : null;
}
