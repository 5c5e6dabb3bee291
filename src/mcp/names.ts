/** Names that the protocol and this project give to `_meta` keys and error codes. */

export const META_VERSION = "io.modelcontextprotocol/protocolVersion";
export const META_CAPABILITIES = "io.modelcontextprotocol/clientCapabilities";
export const META_CLIENT_INFO = "io.modelcontextprotocol/clientInfo";
export const META_LOG_LEVEL = "io.modelcontextprotocol/logLevel";
export const META_SERVER_INFO = "io.modelcontextprotocol/serverInfo";
export const META_SUBSCRIPTION = "io.modelcontextprotocol/subscriptionId";

/** The extension by which calls become tasks (SEP-2663), in capabilities of clients and servers. */
export const TASKS_EXTENSION = "io.modelcontextprotocol/tasks";

/** On results: `{ status, ageMs, storedAt }`. */
export const META_CACHE = "edge-replica/cache";
/** On results, the origin's own hint for a shared cache; on requests, what the caller asks of it. HTTP `Cache-Control` directives. */
export const META_CACHE_CONTROL = "edge-replica/cache-control";
/** On results: what the origin wanted to ask the client for on the way, and was told that it could not. Method names. */
export const META_DECLINED = "edge-replica/declined";
/** On calls of tools that go through the outbox: by which the caller means the same call when it makes it again. */
export const META_IDEMPOTENCY_KEY = "edge-replica/idempotency-key";
/** On tool results with `isError`: `{ code, retryAfterMs?, operationId?, correlationId }`. */
export const META_ERROR = "edge-replica/error";
/** On tools in lists: what an answer may cost, `{ bytes?, tokens?, timeMs? }`. */
export const META_BUDGET = "edge-replica/budget";

/** JSON-RPC error codes: JSON-RPC 2.0, and the MCP specification's own. */
export const CODE = {
  parse: -32700,
  invalidRequest: -32600,
  methodNotFound: -32601,
  invalidParams: -32602,
  internal: -32603,
  /** What the earlier revisions say of a resource that is not there; the modern one has `invalidParams` for it. */
  resourceNotFound: -32002,
  /** What SDK servers of the earlier revisions say. */
  sessionNotFound: -32001,
  headerMismatch: -32020,
  missingCapability: -32021,
  unsupportedVersion: -32022,
  /** The replica's own, outside of what the specification reserves; `data.code` says which. */
  replica: -31000,
} as const;
