import { isObject } from "../mcp/isObject.ts";
import { isHeld } from "./isHeld.ts";
import { isNoStore } from "./isNoStore.ts";

/** What a tool has answered, as a value; or in a few words, why it is none. */
export type Answered = { value: unknown } | { bad: string };

/** Why a value is none, in which integers are others than the origin's. */
export const NOT_HELD = { bad: "it has an integer that programs do not hold as it is written: it should be text" };

/** The value in a tool's result: its structured content, else the JSON of its only text block. `source`: the JSON that the result was read from. */
export function answeredIn(result: Record<string, unknown>, source: string): Answered {
  const { isError, structuredContent, content } = result;
  if (isError === true) return { bad: "it refused, with isError: call it so yourself to read why" };
  if (isNoStore(result)) return { bad: "it must not be kept" };
  if (structuredContent !== undefined) return isHeld(source) ? { value: structuredContent } : NOT_HELD;
  const texts = Array.isArray(content) ? content.filter((block) => isObject(block) && block["type"] === "text") : [];
  const text: unknown = texts[0]?.text;
  if (texts.length !== 1 || typeof text !== "string") {
    return { bad: `it has no structured content, and ${texts.length} text blocks where there should be one` };
  }
  if (!isHeld(text)) return NOT_HELD;
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
