import type { OriginAuth } from "./originAuth.ts";
import type { AnswerRule, Collection, VerifyRule } from "./mirror.ts";
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
  limits: {
    bodyBytes: number;
    depth: number;
    /** The names of the rate-limit bindings. */
    edge: string | undefined;
    origin: string | undefined;
    concurrency: number;
  };
  enabled: boolean;
}

/** What who has a role may use. */
export interface Role {
  grants: readonly Grant[];
  /** Who was granted all of these by an issuer has the role, too. Absent: it is given by name only. */
  scopes: readonly string[] | undefined;
}

/** Patterns of what may be used. */
export interface Grant {
  tools: readonly string[];
  resources: readonly string[];
  prompts: readonly string[];
  /** The ids of the origins that they count for; absent: all. */
  origins: readonly string[] | undefined;
}

/** Who may call. What is not configured is absent. */
export interface Access {
  open: boolean;
  openOnPurpose: boolean;
  keys: boolean;
  jwt?: readonly Issuer[];
  /** By token. */
  dev?: ReadonlyMap<string, DevCaller>;
  /** By name. Absent: whoever is let in may use everything. */
  roles?: ReadonlyMap<string, Role>;
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
  /** Whether arguments are held against the tools' schemas; a tool's own entry may say otherwise. */
  validates: boolean;
  lists: CacheRule;
  annotated: CacheRule | undefined;
  tools: PatternTable<TargetPolicy>;
  resources: PatternTable<TargetPolicy>;
  prompts: PatternTable<TargetPolicy>;
  /** What is mirrored of it, by name; that of `RESOURCES` among them. */
  collections: ReadonlyMap<string, Collection>;
  /** Of resources that no entry caches. */
  unnamed: CacheRule;
  /** Bounds of its outbox; `undefined` where no tool's calls go through one. */
  outbox: OutboxLimits | undefined;
  /** Whether a tool of its writes: then every message must say to everybody alike what it calls. */
  hasWrites: boolean;
  /** Whether calls or answers of a tool of its are bounded: then, too, every message must say to everybody alike what it calls. */
  isBounded: boolean;
  /** The names of the rate-limit bindings of its tools. */
  toolLimiters: readonly string[];
}

/** What a call to the origin needs to know. Plain data: it crosses to the Durable Objects. */
export interface OriginSettings {
  id: string;
  endpoint: { url: string } | { service: string };
  auth: OriginAuth | undefined;
  /** Who is asked for, where the origin is asked with a credential for each caller. Until `lapsesAt` (epoch ms) the token is good. Never written down: `impersonal` leaves it out. */
  caller?: { principal: string; token: string; lapsesAt: number };
  firstByteMs: number;
  totalMs: number;
  concurrency: number;
  region: LocationHint | undefined;
  /** What makes answers of one configuration unusable for another: the endpoint, the credential's name, the denied tools, the budgets, whether it has an outbox. */
  identity: string;
  /** Whether a tool is denied, by name or pattern of the operator's entries that count for it; absent where none is. Lists are stored without them. */
  denied: Readonly<Record<string, boolean>> | undefined;
  /** The budgets of tools, by name or pattern of the operator's entries that count for it, `null` for one without; absent where there is none. Lists are stored with them. */
  budgets: Readonly<Record<string, Budget | null>> | undefined;
  /** Whether its calls may be queued: then lists are stored with the replica's own tool and template by which callers see what became of them, and tasks are among what it can do. */
  tellsOperations?: true;
  /** The largest result that is stored, in bytes. */
  entryBytes: number;
}

/** The policy of one tool, resource or prompt. */
export interface TargetPolicy {
  deny: boolean;
  cache: CacheRule | undefined;
  write: WriteRule | undefined;
  /** Whether arguments are held against the tool's schema; `undefined` leaves it to the origin's entry. */
  validates: boolean | undefined;
  bounds: ToolBounds | undefined;
  /** Of a tool: how it is answered from a collection. */
  answer: AnswerRule | undefined;
  /** How its answers are compared with the origin's. */
  verify: VerifyRule | undefined;
  /** Whether kept answers that queued writes are about to change are refused. */
  refusesPending: boolean;
  /** Of resources: whether what is listed of them is mirrored. */
  isMirrored: boolean;
}

/** How much of a tool there may be. */
export interface ToolBounds {
  /** The name or pattern of the operator's entry: calls of all that it stands for are counted together. */
  name: string;
  /** The name of the rate-limit binding that its calls go by. */
  limiter: string | undefined;
  budget: Budget | undefined;
  /** Whether it is refused first while the origin is in trouble. */
  isExpensive: boolean;
}

/** What an answer may cost. Plain data, in the form that callers are shown. */
export interface Budget {
  /** The size of the answer. */
  bytes?: number;
  /** The same, in estimated tokens of four bytes. */
  tokens?: number;
  /** How long it may take. */
  timeMs?: number;
}

/** What a call of a tool changes at the origin. */
export interface WriteRule {
  /** Tag templates over its arguments. */
  invalidates: readonly string[];
  /** Whether strict answers may carry such a tag: then nothing is sent that could not be announced. */
  isAwaited: boolean;
  /** How its calls go through the outbox; absent: they are relayed. */
  outbox?: OutboxRule;
}

/** How the calls of a tool go through the outbox. */
export interface OutboxRule {
  /** When they are kept to be sent later; `undefined`: never. */
  queue: "when-down" | "always" | undefined;
  /** The template of the ordering key; `null`: one for each caller; `false`: none. */
  orderBy: string | null | false;
  idempotent: IdempotentRule;
  unlessTask: "refuse" | "notify";
  ifStuck: "park" | "skip";
}

/** Whether a call may be sent twice: never, always, where the origin says so of the tool, or with a key in an argument or a header. */
export type IdempotentRule = "no" | "yes" | "annotated" | { argument: string } | { header: string };

/** Bounds of an outbox. Times in ms. Plain data. */
export interface OutboxLimits {
  depth: number;
  bytes: number;
  callerDepth: number;
  callerBytes: number;
  maxAgeMs: number;
  retentionMs: number;
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
  /** How answers from the cache are compared with the origin's; absent where they are not. */
  verify?: VerifyRule;
}
