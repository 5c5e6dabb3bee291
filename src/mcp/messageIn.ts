import { isObject } from "./isObject.ts";

/** The JSON-RPC message that a text is; `undefined` where it is none, nor any object. */
export function messageIn(text: string): Record<string, unknown> | undefined {
  try {
    const message: unknown = JSON.parse(text);
    return isObject(message) ? message : undefined;
  } catch {
    return undefined;
  }
}
