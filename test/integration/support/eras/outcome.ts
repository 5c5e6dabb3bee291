import type { Case } from "./cases.ts";

/** What came of an act: a value, or an error. */
export type Outcome = { value: unknown } | { error: any };

export async function outcomeOf(act: Promise<unknown>): Promise<Outcome> {
  try {
    return { value: await act };
  } catch (error) {
    return { error };
  }
}

/** What came of a case, as it stands in the table: a word of the case, a refusal with its codes, or the text itself. */
export function wordFor({ words = {} }: Pick<Case, "words">, outcome: Outcome): string {
  if ("error" in outcome) return errorWord(outcome.error);
  const { value } = outcome;
  const result = (Object(value) ?? {}) as { isError?: boolean; _meta?: Record<string, any> };
  if (result.isError === true) return code("isError", result._meta?.["edge-replica/error"]?.code);
  const text = JSON.stringify(value);
  const word = Object.keys(words).find((word) => JSON.stringify(words[word]) === text);
  return word ?? (typeof value === "string" ? value : text);
}

/** The codes of an error, as far as the client shows them: its own, the status and the code inside where it shows the body. */
function errorWord({ code: own, data, message }: any): string {
  if (own === undefined) return `fails: ${message}`;
  const inside = /"code":(-\d+)/.exec(data?.text ?? "")?.[1];
  return inside === undefined ? code("error", own, data?.code) : code("HTTP", data.status, inside);
}

function code(...parts: unknown[]): string {
  return `\`${parts.filter((part) => part !== undefined).join(" ")}\``;
}

/** All of an outcome that must be the same through the replica as directly: without request ids and cache words. */
export function plain(outcome: Outcome): unknown {
  const { code, message, data } = "error" in outcome ? outcome.error : ({} as any);
  const told = "value" in outcome ? outcome : { code, message, data };
  return JSON.parse(
    JSON.stringify(told, (key, value) => (key === "_meta" ? undefined : value)).replaceAll(/(\\"id\\":)\d+/g, "$1"),
  );
}
