import { answerOf } from "./answers.ts";
import { collectionsOf } from "./collections.ts";
import type { ConfigProblem } from "./ConfigError.ts";
import type { VerifyRule } from "./mirror.ts";
import { below, type Report } from "./report.ts";
import { shorten } from "./shorten.ts";
import type { ReplicaConfig, ToolConfig } from "./types.ts";

/** What of an origin's collections, and of what is answered from them, the shape alone cannot say. */
export function mirrorProblems({ origins, access }: ReplicaConfig, id: string): ConfigProblem[] {
  const problems: ConfigProblem[] = [];
  const report: Report = (place, found, expected) =>
    problems.push({ path: ["origins", id, ...place].join("."), found, expected });
  const config = origins[id]!;
  const collections = collectionsOf(config, new Set(Object.keys(access?.roles ?? {})), report);
  for (const [name, tool] of Object.entries(config.tools ?? {})) {
    const at = below(report, "tools", name);
    conflicts(name, tool, at);
    if (tool.answer) answerOf(tool.answer, tool.shape, collections, at);
  }
  return problems;
}

/** How a tool's answers are compared with the origin's; `undefined`: not at all. */
export function verifyOf({ verify = 0, maxMismatch, volatile = [] }: ToolConfig): VerifyRule | undefined {
  return verify > 0 ? { share: verify, maxMismatch, volatile } : undefined;
}

/** What in the policy of one tool does not go together. */
function conflicts(name: string, tool: ToolConfig, report: Report): void {
  const { answer, cache, deny, verify, write } = tool;
  if (answer && name.includes("*")) report(["answer"], "an object", "the exact name of one tool with it");
  if (answer && write) report(["answer"], "an object", "no write with it");
  if (answer && deny) report(["answer"], "an object", "no deny with it");
  const needs = (member: keyof ToolConfig, others: string, isThere: unknown) => {
    if (tool[member] !== undefined && !isThere) report([member], shorten(tool[member]), `${others} with it`);
  };
  needs("shape", "answer", answer);
  needs("verify", "answer or cache", answer ?? cache);
  needs("maxMismatch", "answer, and a verify above 0,", answer && verify);
  needs("volatile", "a verify above 0", verify);
}
