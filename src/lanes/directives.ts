import { parseCacheControl } from "../cache/cacheControl.ts";
import { metaOf } from "../mcp/envelope.ts";
import { META_CACHE_CONTROL } from "../mcp/names.ts";
import type { Call } from "../mcp/recognise.ts";
import type { Exchange } from "./Exchange.ts";

/** What the caller asks of the cache. */
export interface Asked {
  /** `no-cache`: ask the origin again. */
  again: boolean;
  /** `only-if-cached`: never ask the origin. */
  onlyCached: boolean;
}

const NOTHING: Asked = { again: false, onlyCached: false };
export const ONLY_CACHED: Asked = { again: false, onlyCached: true };

/** Reads the caller's `Cache-Control`, from `_meta` where it is there, else from the header (RFC 9111, 5.2.1). */
export function directivesOf(x: Exchange, call: Pick<Call, "cacheControl"> | undefined): Asked {
  const text = (call ? call.cacheControl : ofBody(x.body)) ?? x.headers.get("cache-control");
  if (!text) return NOTHING;
  const directives = parseCacheControl(text);
  return { again: directives.has("no-cache"), onlyCached: directives.has("only-if-cached") };
}

/** The directives in a request that may not be cached: they hold all the same. */
function ofBody(body: unknown): string | undefined {
  const text = metaOf(body)?.[META_CACHE_CONTROL];
  return typeof text === "string" ? text : undefined;
}
