/** How a text is looked for. */
export interface TextQuery {
  /** What the full-text index is asked (FTS5 syntax); absent where it cannot help. */
  match?: string;
  /** What else must occur, letter by letter. */
  within: readonly string[];
}

/** No more is looked for at once: each part costs. */
const MAX_LENGTH = 2_000;
const MAX_PARTS = 50;
/** The shortest part that the index of threes of characters knows. */
const MIN_INDEXED = 3;
/** What the tokenizer `unicode61` makes words of. */
const WORD = /[\p{L}\p{N}\p{Co}]/u;

/**
 * How a query is looked for. Nothing in it is syntax: each part is a quoted text, and several must all occur. With `prefix`
 * each is the beginning of a word. `undefined` where nothing can be looked for, or it is too much.
 */
export function matchQuery(how: "words" | "contains", text: string, prefix = false): TextQuery | undefined {
  if (text.length > MAX_LENGTH) return undefined;
  const all = (how === "contains" ? text.toLowerCase() : text).split(/\s+/);
  const parts = [...new Set(all)].filter((part) => (how === "words" ? WORD.test(part) : part !== ""));
  if (parts.length === 0 || parts.length > MAX_PARTS) return undefined;
  const isIndexed = (part: string) => how === "words" || [...part].length >= MIN_INDEXED;
  const indexed = parts.filter(isIndexed);
  const within = parts.filter((part) => !isIndexed(part));
  if (indexed.length === 0) return { within };
  return { match: indexed.map((part) => `"${part.replaceAll('"', '""')}"${prefix ? "*" : ""}`).join(" "), within };
}
