import type { Era } from "./versions.ts";

/** What the replica has to know of a method whose answers it may keep. */
export interface CacheableMethod {
  /** The eras that have the method. */
  eras: readonly Era[];
  /** The `params` member that names what is asked for, mirrored by `Mcp-Name`. */
  target?: "name" | "uri";
  /** The other `params` member that the answer depends on. */
  variant?: "arguments" | "cursor";
  /** Whether results carry `ttlMs` and `cacheScope` (server/utilities/caching; the six methods). */
  hints: boolean;
  /** What of the client's declared capabilities the answer may depend on. Lists may follow extensions only, discover nothing. */
  capabilities: "all" | "extensions" | "none";
}

const BOTH: readonly Era[] = ["modern", "legacy"];
const LIST: CacheableMethod = { eras: BOTH, variant: "cursor", hints: true, capabilities: "extensions" };

const METHODS: ReadonlyMap<string, CacheableMethod> = new Map<string, CacheableMethod>([
  ["server/discover", { eras: ["modern"], hints: true, capabilities: "none" }],
  ["tools/list", LIST],
  ["prompts/list", LIST],
  ["resources/list", LIST],
  ["resources/templates/list", LIST],
  ["resources/read", { eras: BOTH, target: "uri", hints: true, capabilities: "all" }],
  ["tools/call", { eras: BOTH, target: "name", variant: "arguments", hints: false, capabilities: "all" }],
  ["prompts/get", { eras: BOTH, target: "name", variant: "arguments", hints: false, capabilities: "all" }],
]);

/** The method, where its answers may be kept at all. */
export function cacheableMethod(name: string): CacheableMethod | undefined {
  return METHODS.get(name);
}

/** Whether the method is one of the four paged lists. */
export function isList(method: string): boolean {
  return METHODS.get(method)?.variant === "cursor";
}
