import type { PatternTable } from "./pattern.ts";
import type { JwtAlgorithm, PublicJwk } from "./publicJwk.ts";
import type { DevCaller, LocationHint, Modernize } from "./types.ts";

/** The operator's file with every default filled in and every unit resolved: what the rest of the code reads. */
export interface Replica {
  origins: ReadonlyMap<string, Origin>;
  /** What `/mcp` serves, where that is decided. */
  defaultOrigin: Origin | undefined;
  access: Access;
  hosts: ReadonlySet<string>;
  ignoreMeta: readonly string[];
  limits: { bodyBytes: number; depth: number };
  enabled: boolean;
}

/** Who may call. What is not configured is absent. */
export interface Access {
  open: boolean;
  openOnPurpose: boolean;
  keys: boolean;
  jwt?: readonly Issuer[];
  /** By token. */
  dev?: ReadonlyMap<string, DevCaller>;
}

/** One whose tokens are taken. */
export interface Issuer {
  issuer: string;
  /** For whom tokens must be; `undefined`: for the endpoint that is called. */
  audience: readonly string[] | undefined;
  jwks: { url: string } | { keys: readonly PublicJwk[] };
  algorithms: readonly JwtAlgorithm[];
  typ: string;
  /** Names of claims, or JSON Pointers to them. */
  claims: { roles?: string; scopes?: string; tenant?: string };
  /** What every token must be granted, sorted. */
  scopes: readonly string[];
  clockToleranceS: number;
}

/** One origin with its policy. */
export interface Origin {
  settings: OriginSettings;
  modernize: Modernize;
  /** How often an isolate asks what was invalidated. */
  pulseMs: number;
  /** The name of the secret that its webhook is signed with; absent where it has none. */
  webhookSecret: string | undefined;
  /** Whether a stream is held open at the origin that tells of changes. */
  listens: boolean;
  lists: CacheRule;
  annotated: CacheRule | undefined;
  tools: PatternTable<TargetPolicy>;
  resources: PatternTable<TargetPolicy>;
  prompts: PatternTable<TargetPolicy>;
  /** Of resources that no entry caches. */
  unnamed: CacheRule;
  /** Whether a tool of its writes: then every message must say to everybody alike what it calls. */
  hasWrites: boolean;
}

/** What a call to the origin needs to know. Plain data: it crosses to the Durable Objects. */
export interface OriginSettings {
  id: string;
  endpoint: { url: string } | { service: string };
  /** The header to send, and the name of the secret that holds its value. */
  auth: { header: string; prefix: string; secret: string } | undefined;
  firstByteMs: number;
  totalMs: number;
  concurrency: number;
  region: LocationHint | undefined;
  /** What makes answers of one configuration unusable for another: the endpoint, the credential's name, the denied tools. */
  identity: string;
  /** Whether a tool is denied, by name or pattern of the operator's entries; absent where none is. Lists are stored without them. */
  denied: Readonly<Record<string, boolean>> | undefined;
  /** The largest result that is stored, in bytes. */
  entryBytes: number;
}

/** The policy of one tool, resource or prompt. */
export interface TargetPolicy {
  deny: boolean;
  cache: CacheRule | undefined;
  write: WriteRule | undefined;
}

/** What a call of a tool changes at the origin. */
export interface WriteRule {
  /** Tag templates over its arguments. */
  invalidates: readonly string[];
  /** Whether strict answers may carry such a tag: then nothing is sent that could not be announced. */
  isAwaited: boolean;
}

/** How long, and for whom, a result may be kept. Times in ms. */
export interface CacheRule {
  /** The operator's ttl; `undefined` leaves it to the origin's hints, then to `defaultTtlMs`. */
  ttlMs: number | undefined;
  /** The ttl where neither operator nor origin gives one. */
  defaultTtlMs: number;
  staleWhileRevalidateMs: number;
  staleIfErrorMs: number;
  /** `public` only by the operator's explicit word on an exact name; `origin` follows the origin's hint, absent = private. */
  scope: "public" | "private" | "origin";
  clientTtlMs: number | undefined;
  tell: boolean;
  /** Tag templates. */
  tags: readonly string[];
  /** Whether each call asks the feed first, so that nobody is answered with what a write has changed. */
  strict: boolean;
}
