import type { CacheWord } from "../cache/tell.ts";
import { isObject } from "../mcp/isObject.ts";
import { recognise } from "../mcp/recognise.ts";
import { paramHeaderValues } from "../mcp/toolFacts.ts";
import { ONLY_CACHED, type Asked } from "./directives.ts";
import { erasOf, wantsSessions } from "./eras.ts";
import type { Exchange, Failure } from "./Exchange.ts";
import { inEraOf } from "./inEraOf.ts";
import { inStep } from "./inStep.ts";
import { catalogueOf } from "./learn.ts";
import { learnEras } from "./lookAfter.ts";
import { obtain } from "./obtain.ts";
import { refreshCatalogue, ruleFor } from "./ruleFor.ts";

/** What came of it that an answer was to be kept before anybody asks. */
export type Warmed =
  /** It is: it was there, or there but stale, or has been asked for. */
  | { kind: "kept"; word: CacheWord }
  /** Not, because of what the origin answered. */
  | { kind: "declined"; why: string }
  /** Not, because it is only for who asked. */
  | { kind: "private" }
  /** Not, because the tool's answers are not kept: nobody was asked. */
  | { kind: "not-cached" }
  | { kind: "failure"; failure: Failure };

const ORDINARY: Asked = { again: false, onlyCached: false };
/** What of the origin's words is told. */
const MAX_WORDS = 200;

/**
 * Sees to it that the answer to a modern tool call is kept, as one who makes the call would; but nothing is relayed: what
 * may not be kept is not asked for. The exchange's headers are its own: what the tool wants mirrored in them is added.
 */
export async function warm(arrived: Exchange): Promise<Warmed> {
  if (arrived.arrivedAt >= arrived.feed.dueAt) await inStep(arrived, arrived.arrivedAt);
  // What the origin speaks a caller would find out by being refused.
  if ((await erasOf(arrived)).modern === undefined) await learnEras(arrived);
  const eras = await erasOf(arrived);
  const x = inEraOf(arrived, "modern", eras);
  const call = x.scan.exact ? recognise(x.body, x.headers, x.replica.ignoreMeta) : undefined;
  if (!call) return { kind: "declined", why: "the arguments have no canonical form" };
  const asked = x.asksIn === undefined && wantsSessions(eras) ? ONLY_CACHED : ORDINARY;
  await refreshCatalogue(x, call, asked);
  const declared = catalogueOf(x).get(call.target!)?.paramHeaders ?? [];
  for (const [name, value] of paramHeaderValues(declared, call.variant)) x.headers.set(name, value);
  const rule = await ruleFor(x, call, asked);
  if (!rule) return { kind: "not-cached" };
  const obtained = await obtain(x, call, rule, asked);
  switch (obtained.kind) {
    case "entry":
      return obtained.entry.scope === "private" ? { kind: "private" } : { kind: "kept", word: obtained.word };
    case "reply":
      return { kind: "declined", why: wordsOf(obtained.text) };
    case "relay":
      return {
        kind: "declined",
        why: "at present such an answer is not shared: it is too large, or was not kept before",
      };
    case "failure":
      return asked.onlyCached ? { kind: "failure", failure: { kind: "session-wanted" } } : obtained;
  }
}

/** Why the origin's answer is not kept, as far as it says. */
function wordsOf(reply: string): string {
  const { result, error } = JSON.parse(reply) as { result?: unknown; error?: unknown };
  if (isObject(error)) return `the origin refused: ${String(error["message"]).slice(0, MAX_WORDS)}`;
  if (!isObject(result) || result["isError"] !== true) return "the origin's answer may not be kept";
  const content: unknown[] = Array.isArray(result["content"]) ? result["content"] : [];
  const text = content
    .map((block) => (isObject(block) ? block["text"] : undefined))
    .find((one) => typeof one === "string");
  return `the tool failed${text === undefined ? "" : `: ${String(text).slice(0, MAX_WORDS)}`}`;
}
