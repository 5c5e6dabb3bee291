import type { Duration } from "./duration.ts";
import type { AnswerConfig, CollectionConfig, MirrorConfig, ShapeConfig } from "./mirrorTypes.ts";
import type { JwtAlgorithm } from "./publicJwk.ts";
import type { OutboxConfig, ReadPending, WriteConfig } from "./writeTypes.ts";

/** The operator's file: what is replicated, for whom, within which limits. Plain data. */
export interface ReplicaConfig {
  /** The upstream MCP servers by id (`[a-z][a-z0-9-]*`). Each is served at `/mcp/<id>`; `/mcp` serves the only one, or the `default`. */
  origins: Record<string, OriginConfig>;
  /** Who may call. Default: nobody, so that a deployed replica without a decision refuses to serve. */
  access?: AccessConfig;
  /** `Host` and browser `Origin` names that are served, such as `replica.example.com`. Loopback names always are. Default: none. */
  hosts?: string[];
  /** Request `_meta` keys that only observe (`acme/*`), beyond the built-in ones: they neither prevent a hit nor reach the key. Default: none. */
  ignoreMeta?: string[];
  /** Bounds on what the replica reads and keeps. */
  limits?: LimitsConfig;
  /** The kill switch: `false`, or the var `REPLICA_CACHE="off"`, relays every call. Default: `true`. */
  enabled?: boolean;
}

/** One upstream MCP server. Exactly one of `url` and `service` is given. */
export interface OriginConfig {
  /** Its Streamable HTTP endpoint: https, or http on loopback. `{ env: "NAME" }` reads a var. */
  url?: string | { env: string };
  /** Instead of `url`: the name of a service binding to a Worker that speaks MCP at `/mcp`. */
  service?: string;
  /** Serve this origin at `/mcp` too, where there are several. Default: `true` for the only one. */
  default?: boolean;
  /** Its URL, and those of its `auth`, may be of a private network, which a deployed Worker reaches only by such means as a tunnel. Default: `false`. */
  allowPrivate?: boolean;
  /** With what the origin is asked. The caller's own credential is not sent on, but for `forward`. Default: nothing. */
  auth?: OriginAuthConfig;
  /** How long to wait: for the first byte of any call (default `"10s"`), and for all of a fill (default `"60s"`). Relays have no total. At most `"15m"`. */
  timeout?: { firstByte?: Duration; total?: Duration };
  /** Calls that the origin sees at once from fills. 1 to 1,000. Default: 24. */
  concurrency?: number;
  /** Where the origin's Durable Objects should live (a Cloudflare location hint). Default: near the first caller. */
  region?: LocationHint;
  /**
   * Whether modern callers are served although the origin speaks the earlier revisions only: `"auto"`, unless it opens
   * sessions; `"always"`, there too, in sessions that a principal's callers share; `"never"`. Who is not served is told
   * to initialize. Default: `"auto"`.
   */
  modernize?: Modernize;
  /** How isolates stay in step with what was invalidated. */
  sync?: {
    /** How often they ask, while there is traffic, ±10 %; `"250ms"` to `"1m"`. Default: `"5s"`. */
    pulse?: Duration;
    /** Whether one stream is held open at the origin that tells of changes, while there is traffic: `"auto"`, where the origin has one to offer; or `"off"`. Default: `"auto"`. */
    listen?: Listen;
    /** Lets the origin say by itself what has changed, at `/sync/<id>`: what its deliveries are signed with (Standard Webhooks). Default: it may not. */
    webhook?: SecretName;
  };
  /** Discover, initialize and the four lists. */
  lists?: {
    /** Their ttl where the origin gives none. Default: `"0s"`. */
    defaultTtl?: Duration;
    /** How long past their ttl they may be answered while the origin fails. Default: `"24h"`. */
    staleIfError?: Duration;
  };
  /** Cache tools that the origin marks `readOnlyHint: true` and that no entry of `tools` names. Default: never. */
  annotated?: { ttl: Duration };
  /** Whether the arguments of a tool call are held against the tool's schema before they are sent on, where the schema is known. Default: `true`. */
  validate?: boolean;
  /** Bounds of the queue of writes. With a tool whose `write` says `queue` or `idempotent`. */
  outbox?: OutboxConfig;
  /** What of its data is mirrored, for tools to be answered from. At most 50, named `[a-z][a-z0-9_-]*`. Default: nothing. */
  collections?: Record<string, CollectionConfig>;
  /** Policy by tool name. An exact name beats a pattern, a longer pattern a shorter one; `*` matches any run of characters. */
  tools?: Record<string, ToolConfig>;
  /** Policy by resource URI, or pattern. */
  resources?: Record<string, ResourceConfig>;
  /** Policy by prompt name, or pattern. */
  prompts?: Record<string, PromptConfig>;
}

/** With what an origin is asked: a credential of the replica's own, or one for each caller. */
export type OriginAuthConfig =
  /** A fixed token, as `Authorization: Bearer`. */
  | { bearer: SecretName }
  /** A fixed value of another header. */
  | { header: SecretName & { name: string } }
  /** A token of the replica's own, which it gets by its client id and secret (RFC 6749, 4.4). */
  | { clientCredentials: TokenClientConfig }
  /** A token of the replica's own, renewed with what `npm run replica -- login ORIGIN` has put into the secret. */
  | { login: SecretName }
  /** A token for each caller, for which the caller's verified JWT is exchanged (RFC 8693). With `access.jwt` only. */
  | { exchange: TokenClientConfig & { audience?: string } }
  /**
   * The caller's own verified JWT. With `access.jwt` only, and only where the replica stands on the origin's own host as
   * part of the same resource, so that the token was issued for both: `sameResource` is the word for that.
   */
  | { forward: true; sameResource?: true };

/** How tokens are asked for. */
export interface TokenClientConfig {
  /** Where: https, or http on loopback. */
  tokenEndpoint: string;
  /** The client id that the authorization server knows the replica by. */
  clientId: string;
  /** The name of the Worker secret that holds the client's secret. */
  secret: string;
  /** What is asked for. Default: what the authorization server gives. */
  scope?: string;
  /** What the token is for (RFC 8707); `false`: that is not said, as some authorization servers refuse to be told. Default: the origin's URL, unless an `audience` says it. */
  resource?: string | false;
}

/** A secret, by the name of the Worker secret that holds it; never the value. */
export interface SecretName {
  secret: string;
}

/** What the operator allows for one tool. */
export interface ToolConfig {
  /** Cache its results. A pattern caches only tools that the origin marks `readOnlyHint: true`. Default: not cached. */
  cache?: ToolCacheConfig;
  /** Refuse calls, and leave it out of `tools/list`. Default: `false`. */
  deny?: boolean;
  /** What its calls change. Not together with `cache`. Default: nothing that is known of. */
  write?: WriteConfig;
  /** Answer its calls from a collection, those too that nobody has sent before. For an exact name only; not together with `write` or `deny`. Default: not. */
  answer?: AnswerConfig;
  /** How the origin words what is answered from the collection. With `answer` only. Default for an answer by key: the row. */
  shape?: ShapeConfig;
  /** The share of the answers from collection or cache that is compared with the origin's, in the background: 0 to 1. With `answer` or `cache`. Default: none. */
  verify?: number;
  /** The share of mismatches, of 20 compared answers or more, past which the tool is not answered from its collection until the next complete pull: 0 to 1. With `answer` and `verify`. Default: it is answered on. */
  maxMismatch?: number;
  /** JSON Pointers into the structured content (or the JSON of the text): what may differ when answers are compared. With `verify`. At most 32. Default: nothing. */
  volatile?: string[];
  /** How far its kept answers may be behind the writes, see `Consistency`. With `cache` or `answer`. */
  consistency?: Consistency;
  /** What is done with kept answers that queued writes are about to change: see `ReadPending`. With `cache` or `answer`. Default: `"stale"`. */
  readPending?: ReadPending;
  /** As for the origin. Default: what is said there. */
  validate?: boolean;
  /** How often one caller may call it, hits included: the name of a rate-limit binding. Default: no limit of its own. */
  limit?: string;
  /** What an answer may cost. Shown to callers in the tool's `_meta`. Default: no bound. */
  budget?: BudgetConfig;
  /** While the origin is in trouble, refuse its calls first. Default: `false`. */
  expensive?: boolean;
}

/** What an answer of a tool may cost: at least one of these. A larger or later one is refused, and its call ended. */
export interface BudgetConfig {
  /** The size of the answer as the origin sends it, events of a stream included. At most `"16MB"`. */
  bytes?: string;
  /** The same in tokens of a model, estimated: four bytes of UTF-8 each. At most 4,194,304. */
  tokens?: number;
  /** How long the whole answer may take, from when the origin is asked. At most `"15m"`. */
  time?: Duration;
}

/**
 * How far a cached answer may be behind writes that pass through the replica: `"strict"`, not at all, at the price of a
 * question to the origin's Durable Object in each call; `"bounded"`, a pulse. Default: strict where a tag of the entry
 * may be one that a write of the same origin invalidates, else bounded.
 */
export type Consistency = "strict" | "bounded";

/** What the operator allows for resources. Without an entry, the origin's own hints decide. */
export interface ResourceConfig {
  cache?: CacheConfig;
  /** Mirror those listed, and the lists with them. `true`, where `cache.scope` is `"public"`: for all callers. All that are mirrored of an origin have the same readers. Default: not. */
  mirror?: true | MirrorConfig;
  /** As for tools. With `cache` only. */
  consistency?: Consistency;
  /** As for tools. With `cache` only. */
  readPending?: ReadPending;
}

/** What the operator allows for prompts. Without an entry they are not cached. */
export interface PromptConfig {
  cache?: CacheConfig;
  /** As for tools. With `cache` only. */
  consistency?: Consistency;
  /** As for tools. With `cache` only. */
  readPending?: ReadPending;
}

/** How long, and for whom, a result is kept. */
export interface CacheConfig {
  /** Fresh for this long, at most 24 h. Default: the origin's hint, else 0. */
  ttl?: Duration;
  /** Past the ttl, for this long: answer the old and refresh behind (RFC 5861). Default: `"0s"`. */
  staleWhileRevalidate?: Duration;
  /** Past the ttl, for this long: answer the old only when the origin fails (RFC 5861). Default: `"0s"`. */
  staleIfError?: Duration;
  /** `"public"`: one answer for all callers; on a pattern only where the origin says so too. Default: `"private"`. */
  scope?: "public" | "private";
  /** Names that the entry carries, templates over the arguments: `product:{sku}`. A missing value makes the name end in `:-`. Default: none. */
  tags?: string[];
  /** How long a caller may keep the answer, beyond the origin's own hint. It cannot be recalled. Default: not at all. */
  clientTtl?: Duration;
}

/** As `CacheConfig`, for tools. */
export interface ToolCacheConfig extends CacheConfig {
  /** Add a text block to stale answers that says how old they are: models see neither `_meta` nor headers. Default: `false`. */
  tell?: boolean;
}

/** Who may call. */
export interface AccessConfig {
  /** Anybody, on loopback only. Default: `false`. */
  open?: boolean;
  /** With `open`: anybody, from anywhere. Default: `false`. */
  openOnPurpose?: boolean;
  /** API keys made by `npm run replica -- keys create`, sent as `Authorization: Bearer`. Default: `false`. */
  keys?: boolean;
  /** OAuth 2.1 access tokens (JWT, RFC 9068) of these issuers, sent as `Authorization: Bearer`. Default: none. */
  jwt?: JwtConfig | JwtConfig[];
  /** Made-up tokens to develop with, for what is called by a loopback name on this machine; refused elsewhere. Default: none. */
  dev?: { tokens: Record<string, DevCaller> };
  /**
   * What callers may use, by the roles that their credential gives them. At most 100, named `[a-z][a-z0-9_-]*`. With
   * `open`, callers without a credential have the role `anonymous`. Default: whoever is let in may use everything.
   */
  roles?: Record<string, RoleConfig>;
}

/** An authorization server whose access tokens are taken. */
export interface JwtConfig {
  /** As its tokens have it in `iss`, to the letter: an https URL, or an http one on loopback. */
  issuer: string;
  /** For whom tokens must be (`aud`, one of these). Default: the URL of the endpoint that is called, such as `https://replica.example.com/mcp`. */
  audience?: string | string[];
  /** Its public keys: the URL of its JSON Web Key Set (https, or http on loopback), or the set itself. */
  jwks: string | { keys: object[] };
  /** What it signs with. Default: any asymmetric algorithm that is known here; others are refused. */
  algorithms?: JwtAlgorithm[];
  /** What its tokens call themselves in their header. Default: `"at+jwt"`; many issuers write `"JWT"`, on ID tokens as well. */
  typ?: string;
  /** Where its tokens say more: names of claims, or JSON Pointers (`/realm_access/roles`). */
  claims?: {
    /** The caller's roles here: one, or an array. Default: none are read. */
    roles?: string;
    /** What was granted: words, or an array. Default: `scope`, else `scp`. */
    scopes?: string;
    /** Whose world the caller lives in. A token without it is refused. Default: there are no tenants. */
    tenant?: string;
  };
  /** What every token must be granted. Default: nothing in particular. */
  scopes?: string[];
  /** How far its clock may be from this one's, at most `"5m"`. Default: `"30s"`. */
  clockTolerance?: Duration;
}

/** Who a development token stands for. */
export interface DevCaller {
  subject: string;
  roles?: string[];
  tenant?: string;
  scopes?: string[];
}

/** What who has a role may use. In patterns `*` matches any run of characters; what none of them matches may not be used. */
export interface RoleConfig {
  /** Roles whose patterns it has beside its own, each for the origins that they count for there. Default: none. */
  extends?: string | string[];
  /** Tools by name or pattern. Default: none. */
  tools?: string[];
  /** Resources by URI or pattern, as URIs are sent; templates by their text. Default: none. */
  resources?: string[];
  /** Prompts by name or pattern. Default: none. */
  prompts?: string[];
  /** OAuth scopes: who was granted all of them has the role, too. 1 to 32. Not inherited. Default: it is given by name only. */
  scopes?: string[];
  /** The ids of the origins that its own patterns count for. Default: all. */
  origins?: string[];
}

/** Bounds. A size is `"500B"`, `"64KB"`, `"4MB"`. */
export interface LimitsConfig {
  /** The largest request body. Default: `"4MB"`. */
  body?: string;
  /** The deepest nesting of a request's JSON, 4 to 256. Default: 64. */
  depth?: number;
  /** The largest result that is stored, at most `"16MB"`. Default: `"2MB"`. */
  entry?: string;
  /** How much one caller may ask, in all: the name of a rate-limit binding in `wrangler.toml`. Not on loopback. Default: no limit. */
  edge?: string;
  /** How many calls of one caller may reach one origin: as `edge`. Hits, and what joins another's call, are free. Default: no limit. */
  origin?: string;
  /** How many calls of one caller an isolate has at an origin at once. Not on loopback. 1 to 1,000. Default: 32. */
  concurrency?: number;
}

/** What `modernize` may say. */
export const MODERNIZE = ["auto", "always", "never"] as const;

/** When modern callers of an origin of the earlier revisions are served. */
export type Modernize = (typeof MODERNIZE)[number];

/** What `sync.listen` may say. */
export const LISTEN = ["auto", "off"] as const;

/** Whether the replica listens at the origin. */
export type Listen = (typeof LISTEN)[number];

/** Cloudflare's Durable Object location hints. */
export const LOCATION_HINTS = [
  "wnam",
  "enam",
  "sam",
  "weur",
  "eeur",
  "apac",
  "apac-ne",
  "apac-se",
  "oc",
  "afr",
  "me",
] as const;

/** One of Cloudflare's Durable Object location hints. */
export type LocationHint = (typeof LOCATION_HINTS)[number];
