import { isObject } from "../mcp/isObject.ts";
import { isList } from "../mcp/methods.ts";
import { CODE } from "../mcp/names.ts";
import type { Exchange } from "./Exchange.ts";
import { purgeListing } from "./keep.ts";
import { catalogueOf } from "./learn.ts";

/** Draws the consequences of an error that the origin answered with: it may say that a stored list is no longer true. */
export async function heed(x: Exchange, method: string, cursor: unknown, reply: string): Promise<void> {
  const code = errorCode(reply);
  if (code === undefined) return;
  // A cursor that the origin no longer knows ends the whole listing (server/utilities/pagination).
  if (isList(method) && cursor !== undefined) await purgeListing(x, method);
  // The caller went by a list that lacks a header; its next one must be new, or its retry fails as well (SEP-2243).
  if (code === CODE.headerMismatch) {
    catalogueOf(x).clear();
    await purgeListing(x, "tools/list");
  }
}

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
