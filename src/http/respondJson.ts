import type { Trouble } from "./errors.ts";
import { nobody } from "./nobody.ts";
import { respondTrouble } from "./respond.ts";

/** Answers what is no message of MCP: with what was done, or what is wrong. */
export function respondJson(done: object | { trouble: Trouble }): Response {
  if ("trouble" in done) return respondTrouble(done.trouble, nobody()).response;
  return Response.json(done, { headers: { "cache-control": "no-store" } });
}
