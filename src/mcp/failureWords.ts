import { isObject } from "./isObject.ts";
import { messageIn } from "./messageIn.ts";

/** Of the words of a failure, in characters. */
const MAX_WORDS = 500;

/** In what words a response says that a request failed, be it an error or a tool's result; `undefined` where it did not. */
export function failureWords(reply: string): string | undefined {
  const message = messageIn(reply);
  const { error, result } = message ?? {};
  if (isObject(error)) return String(error["message"]).slice(0, MAX_WORDS);
  if (!isObject(result) || result["isError"] !== true) return undefined;
  const blocks = Array.isArray(result["content"]) ? result["content"].filter(isObject) : [];
  const words = blocks.map(({ text }) => text).filter((text) => typeof text === "string");
  return words.join(" ").slice(0, MAX_WORDS);
}
