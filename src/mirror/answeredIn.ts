import { isObject } from "../mcp/isObject.ts";
import { isNoStore } from "./isNoStore.ts";

/** What a tool has answered, as a value; or in a few words, why it is none. */
export type Answered = { value: unknown } | { bad: string };

/** The value in a tool's result: its structured content, else the JSON of its only text block. */
export function answeredIn(result: Record<string, unknown>): Answered {
  const { isError, structuredContent, content } = result;
  if (isError === true) return { bad: "it refused, with isError" };
  if (isNoStore(result)) return { bad: "it must not be kept" };
  if (structuredContent !== undefined) return { value: structuredContent };
  const texts = Array.isArray(content) ? content.filter((block) => isObject(block) && block["type"] === "text") : [];
  const text: unknown = texts[0]?.text;
  if (texts.length !== 1 || typeof text !== "string") {
    return { bad: `it has no structured content, and ${texts.length} text blocks where there should be one` };
  }
  return valueIn(text) ?? { bad: "it has no structured content, and its text is no JSON" };
}

/** What a JSON text says; `undefined` where it is none. */
export function valueIn(text: string): { value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) as unknown };
  } catch {
    return undefined;
  }
}
