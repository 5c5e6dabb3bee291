import { matches } from "../config/pattern.ts";
import { META_CACHE_CONTROL, META_CAPABILITIES, META_CLIENT_INFO, META_LOG_LEVEL, META_VERSION } from "./names.ts";

/** Request `_meta` keys that cannot change an answer: the envelope itself, progress, logging and tracing (SEP-414). */
const OBSERVING: ReadonlySet<string> = new Set([
  "progressToken",
  "traceparent",
  "tracestate",
  "baggage",
  META_VERSION,
  META_CAPABILITIES,
  META_CLIENT_INFO,
  META_LOG_LEVEL,
  META_CACHE_CONTROL,
]);

/** Vendors whose clients label every request. OpenAI's locale and location keys do change answers. */
const VENDORS: readonly string[] = ["claudecode/*", "vscode.*", "openai/*"];
const ANSWER_CHANGING = /^openai\/.*(locale|location)/i;

/** Whether every key only observes, so that the request may be answered for anybody. `ignore` holds the operator's patterns. */
export function onlyObserves(meta: Readonly<Record<string, unknown>>, ignore: readonly string[]): boolean {
  for (const key in meta) {
    if (OBSERVING.has(key)) continue;
    if (ignore.some((pattern) => matches(pattern, key))) continue;
    if (ANSWER_CHANGING.test(key) || !VENDORS.some((pattern) => matches(pattern, key))) return false;
  }
  return true;
}
