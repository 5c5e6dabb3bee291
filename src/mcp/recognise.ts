import { decodeHeaderValue } from "./headerValue.ts";
import { isObject } from "./isObject.ts";
import { onlyObserves } from "./meta.ts";
import { cacheableMethod, type CacheableMethod } from "./methods.ts";
import { META_CACHE_CONTROL, META_CAPABILITIES, META_VERSION } from "./names.ts";
import { isSoundMeta } from "./soundMeta.ts";
import type { Session } from "./Session.ts";
import { LEGACY_VERSIONS, MODERN_VERSION, type Era } from "./versions.ts";

/** A request that is perfectly formed, and whose answer may be kept if policy allows. */
export interface Call {
  era: Era;
  /** The protocol version the caller speaks; absent where a legacy caller named none. */
  version: string | undefined;
  id: string | number;
  method: string;
  shape: CacheableMethod;
  /** The tool, URI or prompt; `null` for methods that name nothing. */
  target: string | null;
  /** The arguments or the cursor; `undefined` where absent, which is not the same as empty. */
  variant: unknown;
  /** The client capabilities declared on the request, or when its session began; `{}` for legacy callers without one, as the origin sees them. */
  capabilities: Readonly<Record<string, unknown>>;
  params: Readonly<Record<string, unknown>>;
  /** The caller asked for progress notifications. */
  wantsProgress: boolean;
  /** `_meta["edge-replica/cache-control"]`. */
  cacheControl: string | undefined;
}

const NOTHING: Readonly<Record<string, unknown>> = Object.freeze({});

/**
 * Recognises a perfectly formed cacheable request, of either era, and says nothing about any other: the hot path never
 * words an error. What it does not recognise goes on to the origin, or to the ladder.
 */
export function recognise(
  body: unknown,
  headers: Headers,
  ignoreMeta: readonly string[],
  session?: Session,
): Call | undefined {
  if (!isObject(body) || body["jsonrpc"] !== "2.0") return undefined;
  const { id, method } = body;
  if (typeof method !== "string" || !(typeof id === "string" || Number.isSafeInteger(id))) return undefined;
  const shape = cacheableMethod(method);
  if (!shape) return undefined;
  const params = body["params"] === undefined ? NOTHING : body["params"];
  if (!isObject(params)) return undefined;
  const meta = params["_meta"] === undefined ? NOTHING : params["_meta"];
  if (!isObject(meta) || !onlyObserves(meta, ignoreMeta) || !isSoundMeta(meta)) return undefined;

  const era: Era = Object.hasOwn(meta, META_VERSION) ? "modern" : "legacy";
  if (!shape.eras.includes(era) || !hasKnownMembers(body, params, shape)) return undefined;
  const target = shape.target ? params[shape.target] : null;
  if (shape.target && typeof target !== "string") return undefined;
  const variant = shape.variant && params[shape.variant];
  if (variant !== undefined && !(shape.variant === "cursor" ? typeof variant === "string" : isObject(variant))) {
    return undefined;
  }
  if (!acceptsBoth(headers.get("accept"))) return undefined;

  const version = headers.get("mcp-protocol-version");
  let capabilities = NOTHING;
  if (era === "modern") {
    if (version !== MODERN_VERSION || meta[META_VERSION] !== version) return undefined;
    if (headers.get("mcp-method") !== method) return undefined;
    if (shape.target && !nameAgrees(headers.get("mcp-name"), target as string)) return undefined;
    const declared = meta[META_CAPABILITIES];
    if (!isObject(declared)) return undefined;
    capabilities = declared;
  } else {
    if (version !== null && !LEGACY_VERSIONS.includes(version)) return undefined;
    if (session) capabilities = session.capabilities;
  }

  const cacheControl = meta[META_CACHE_CONTROL];
  if (cacheControl !== undefined && typeof cacheControl !== "string") return undefined;
  return {
    era,
    version: version ?? session?.version,
    id: id as string | number,
    method,
    shape,
    target: target as string | null,
    variant,
    capabilities,
    params,
    wantsProgress: Object.hasOwn(meta, "progressToken"),
    cacheControl,
  };
}

/** Unknown members may change the answer (`task`, `inputResponses`, `requestState` do). */
function hasKnownMembers(body: Record<string, unknown>, params: Record<string, unknown>, shape: CacheableMethod) {
  for (const key in body) {
    if (key !== "jsonrpc" && key !== "id" && key !== "method" && key !== "params") return false;
  }
  for (const key in params) {
    if (key !== "_meta" && key !== shape.target && key !== shape.variant) return false;
  }
  return true;
}

/** Clients MUST accept both forms (basic/transports/streamable-http); one that does not is the origin's to judge. */
export function acceptsBoth(accept: string | null): boolean {
  return accept !== null && accept.includes("application/json") && accept.includes("text/event-stream");
}

function nameAgrees(header: string | null, name: string): boolean {
  return header !== null && (header === name || header.startsWith("=?")) && decodeHeaderValue(header) === name;
}
