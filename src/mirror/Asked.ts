import type { AnswerRule } from "../config/mirror.ts";
import type { Mirrored } from "./MirrorReply.ts";

/** What is asked of the mirror. */
export interface Asked {
  db: D1Database;
  /** Those that the rule names, by name. */
  collections: ReadonlyMap<string, Mirrored>;
  rule: AnswerRule;
  /** Of the call, as its tool's schema wants them, with defaults filled in. */
  args: Readonly<Record<string, unknown>>;
  tool: string;
}
