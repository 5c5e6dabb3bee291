import { isObject } from "./isObject.ts";
import { messageIn } from "./messageIn.ts";

/** The code of a JSON-RPC error response; `undefined` for anything else. */
export function errorCode(reply: string): number | undefined {
  const error = messageIn(reply)?.["error"];
  return isObject(error) && typeof error["code"] === "number" ? error["code"] : undefined;
}
