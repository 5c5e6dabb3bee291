import { mayCoincide, spanOfPattern, spansOfTemplate, type Span } from "./coincide.ts";
import type { Collection } from "./mirror.ts";
import type { WriteRule } from "./replica.ts";
import type { Consistency, OriginConfig } from "./types.ts";
import type { WriteConfig } from "./writeTypes.ts";

/** The tags that all answers of a kind have, and the one that each has of its own. */
const KINDS = {
  tools: { method: "method:tools/call", own: "tool:" },
  resources: { method: "method:resources/read", own: "resource:" },
  prompts: { method: "method:prompts/get", own: "prompt:" },
} as const;

/** What is kept, by a name or a pattern. */
export interface Cached {
  kind: keyof typeof KINDS;
  name: string;
  /** Tag templates. */
  tags?: readonly string[] | undefined;
  /** What it is answered from. */
  collections?: readonly Collection[];
  /** The operator's own word. */
  consistency?: Consistency | undefined;
}

/** Decides for one origin which answers are strict, and which writes must not be made behind the back of such. */
export class Strictness {
  /** What the origin's writes invalidate. */
  readonly #written: Span[];
  /** What is strict. */
  readonly #strict: Span[] = [];

  constructor({ tools = {} }: Pick<OriginConfig, "tools">) {
    this.#written = Object.values(tools).flatMap(({ write }) => writtenSpans(write?.invalidates ?? []));
  }

  /** Whether each answer is checked against the feed: by the operator's word, else where a write may change it. */
  of({ kind, name, tags = [], collections = [], consistency }: Cached): boolean {
    const { method, own } = KINDS[kind];
    const spans = [...["origin", method, ...tags].flatMap(spansOfTemplate), spanOfPattern(own, name)];
    spans.push(...collections.flatMap(spansOfRows));
    const isStrict = consistency === undefined ? mayCoincide(spans, this.#written) : consistency === "strict";
    if (isStrict) this.#strict.push(...spans);
    return isStrict;
  }

  /** A write's rule. To be asked for when all that is cached is known. */
  write({ invalidates = [] }: WriteConfig): WriteRule {
    return { invalidates, isAwaited: mayCoincide(writtenSpans(invalidates), this.#strict) };
  }
}

/** The tags by which it is told that rows have changed. */
function spansOfRows({ name, from, tags }: Collection): Span[] {
  const spans = [`collection:${name}`, ...tags].flatMap(spansOfTemplate);
  const { own } = KINDS.resources;
  switch (from.kind) {
    case "tool":
      return [...spans, spanOfPattern(KINDS.tools.own, from.tool)];
    case "resources":
      return [...spans, spanOfPattern("", "list:resources"), spanOfPattern(own, from.pattern)];
    case "each":
      return [...spans, spanOfPattern("", `collection:${from.each}`), ...spansOfTemplate(own + from.template)];
    case "mirror":
      return [];
  }
}

/** What is invalidated by tags: with a resource, all that lies below it (`above` in `cache/concerning.ts`). */
function writtenSpans(templates: readonly string[]): Span[] {
  const spans = templates.flatMap(spansOfTemplate);
  return [...spans, ...spans.flatMap(below)];
}

function below({ prefix, isOne }: Span): Span[] {
  const { own } = KINDS.resources;
  if (!prefix.startsWith(own) && !own.startsWith(prefix)) return [];
  const begins = isOne && !prefix.endsWith("/") ? ["/", "?", "#"].map((end) => prefix + end) : [prefix];
  return begins.map((begin) => ({ prefix: begin, suffix: "", isOne: false }));
}
