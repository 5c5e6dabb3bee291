import { isObject } from "./isObject.ts";

/** What a page of `tools/list` says of arguments. */
export interface SchemaPage {
  /** The input schemas by tool; `undefined` where nobody can tell which of several is meant. */
  schemas: ReadonlyMap<string, unknown>;
  /** The cursor of the next page; `undefined` after the last. */
  next: string | undefined;
}

/** The input schemas of a page of `tools/list`. What is malformed is passed over: the origin's callers judge it, not we. */
export function inputSchemas(result: unknown): SchemaPage {
  const schemas = new Map<string, unknown>();
  const { tools, nextCursor } = isObject(result) ? result : {};
  for (const tool of Array.isArray(tools) ? tools : []) {
    const name = isObject(tool) ? tool["name"] : undefined;
    if (typeof name === "string") schemas.set(name, schemas.has(name) ? undefined : tool["inputSchema"]);
  }
  return { schemas, next: typeof nextCursor === "string" ? nextCursor : undefined };
}
