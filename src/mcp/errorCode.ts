import { isObject } from "./isObject.ts";

/** The code of a JSON-RPC error response; `undefined` for anything else. */
export function errorCode(reply: string): number | undefined {
  try {
    const message: unknown = JSON.parse(reply);
    const error = isObject(message) ? message["error"] : undefined;
    return isObject(error) && typeof error["code"] === "number" ? error["code"] : undefined;
  } catch {
    return undefined;
  }
}
