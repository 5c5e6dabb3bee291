import type { Reporter } from "../../telemetry/events.ts";
import type { Trouble } from "../errors.ts";
import { refuse } from "./refuse.ts";

/** Answers what is no message of MCP: with what was done, or what is wrong. */
export function respondJson(done: object | { trouble: Trouble }, report: Reporter, endpoint: string): Response {
  if ("trouble" in done) return refuse(done.trouble, report, endpoint);
  return Response.json(done, { headers: { "cache-control": "no-store" } });
}
