import { resolveAccess } from "./access.ts";
import { isAskable, URL_SHAPE } from "./address.ts";
import { answerOf } from "./answers.ts";
import { boundsOf, budgetsOf } from "./bounds.ts";
import { collectionsOf } from "./collections.ts";
import { Strictness, type Cached } from "./consistency.ts";
import { ConfigError, type ConfigProblem } from "./ConfigError.ts";
import { parseDuration, type Duration } from "./duration.ts";
import type { AnswerRule, Collection } from "./mirror.ts";
import { verifyOf } from "./mirrored.ts";
import { authOf, identityOf, isPersonal } from "./originAuth.ts";
import { patternTable, type PatternTable } from "./pattern.ts";
import type { CacheRule, Origin, OriginSettings, Replica, TargetPolicy } from "./replica.ts";
import { outboxLimitsOf } from "./outboxLimits.ts";
import { NO_REPORT } from "./report.ts";
import { parseSize } from "./size.ts";
import { thatCount } from "./thatCount.ts";
import type { OriginConfig, ResourceConfig, ToolCacheConfig, ToolConfig } from "./types.ts";
import { validate } from "./validate.ts";
import { hasOutbox, outboxRuleOf } from "./writes.ts";

/** Vars by name, as the Worker's environment has them. */
export type Vars = Readonly<Record<string, unknown>>;

const DAY_MS = 86_400_000;

/** What the protocol alone allows: the origin's hints decide, and nothing else is promised. */
export const PROTOCOL_RULE: CacheRule = {
  ttlMs: undefined,
  defaultTtlMs: 0,
  staleWhileRevalidateMs: 0,
  staleIfErrorMs: 0,
  scope: "origin",
  clientTtlMs: undefined,
  tell: false,
  tags: [],
  strict: false,
};

/** Validates the operator's file and fills in its defaults. Throws `ConfigError` with every problem it has. */
export function resolve(file: unknown, vars: Vars = {}): Replica {
  const config = validate(file);
  const problems: ConfigProblem[] = [];
  const origins = new Map<string, Origin>();
  const entryBytes = parseSize(config.limits?.entry ?? "2MB")!;
  for (const [id, origin] of Object.entries(config.origins)) {
    const endpoint = endpointOf(`origins.${id}`, origin, vars, problems);
    if (endpoint) origins.set(id, resolveOrigin(id, origin, endpoint, entryBytes));
  }
  if (problems.length > 0) throw new ConfigError(problems);
  const marked = Object.keys(config.origins).find((id) => config.origins[id]!.default);
  const only = origins.size === 1 ? [...origins.keys()][0] : undefined;
  return {
    origins,
    defaultOrigin: origins.get(marked ?? only ?? ""),
    access: resolveAccess(config.access),
    hosts: new Set(config.hosts),
    ignoreMeta: config.ignoreMeta ?? [],
    limits: {
      bodyBytes: parseSize(config.limits?.body ?? "4MB")!,
      depth: config.limits?.depth ?? 64,
      edge: config.limits?.edge,
      origin: config.limits?.origin,
      concurrency: config.limits?.concurrency ?? 32,
    },
    enabled: (config.enabled ?? true) && vars["REPLICA_CACHE"] !== "off",
  };
}

function resolveOrigin(
  id: string,
  config: OriginConfig,
  endpoint: OriginSettings["endpoint"],
  entryBytes: number,
): Origin {
  const denied = thatCount(
    Object.entries(config.tools ?? {}).map(([name, { deny = false }]) => [name, deny]),
    false,
  );
  const budgets = budgetsOf(config.tools);
  const tellsOperations = hasOutbox(config);
  const auth = authOf(config, endpoint);
  // What it answers is the caller's own, but where the operator says of something by its name that it is not.
  const scope = isPersonal({ auth }) ? "private" : "origin";
  const protocol = { ...PROTOCOL_RULE, scope } as const;
  const strictness = new Strictness(config);
  const collections = collectionsOf(config, new Set(), NO_REPORT);
  const tables = { strictness, scope, collections } as const;
  const resources = table("resources", config.resources, tables);
  const prompts = table("prompts", config.prompts, tables);
  // What anybody may name is strict where anything of its kind is.
  const unnamed = { ...protocol, strict: strictness.of({ kind: "resources", name: "*" }) };
  const annotated = config.annotated && {
    ...ruleOf({ ttl: config.annotated.ttl }, scope),
    strict: strictness.of({ kind: "tools", name: "*" }),
  };
  return {
    settings: {
      id,
      endpoint,
      auth,
      firstByteMs: ms(config.timeout?.firstByte, 10_000),
      totalMs: ms(config.timeout?.total, 60_000),
      concurrency: config.concurrency ?? 24,
      region: config.region,
      identity: JSON.stringify([
        endpoint,
        ...identityOf(auth),
        denied ?? null,
        ...(budgets ? [budgets] : []),
        ...(tellsOperations ? ["operations"] : []),
      ]),
      denied,
      budgets,
      ...(tellsOperations && { tellsOperations }),
      entryBytes,
    },
    modernize: config.modernize ?? "auto",
    pulseMs: ms(config.sync?.pulse, 5_000),
    webhookSecret: config.sync?.webhook?.secret,
    // Nobody in particular cannot listen where each caller has a credential of its own.
    listens: config.sync?.listen !== "off" && scope === "origin",
    validates: config.validate ?? true,
    lists: {
      ...protocol,
      defaultTtlMs: ms(config.lists?.defaultTtl, 0),
      staleIfErrorMs: ms(config.lists?.staleIfError, DAY_MS),
    },
    annotated,
    // The last: what a write must wait for depends on all that is cached.
    tools: table("tools", config.tools, tables),
    resources,
    prompts,
    collections,
    unnamed,
    outbox: tellsOperations ? outboxLimitsOf(config.outbox) : undefined,
    hasWrites: Object.values(config.tools ?? {}).some(({ write }) => write !== undefined),
    toolLimiters: Object.values(config.tools ?? {}).flatMap(({ limit }) => limit ?? []),
    isBounded: Object.entries(config.tools ?? {}).some(([name, tool]) => boundsOf(name, tool) !== undefined),
  };
}

/** What the policies of an origin have in common. `scope`: whose an answer is that the operator calls public. */
interface Shared {
  strictness: Strictness;
  scope: CacheRule["scope"];
  collections: ReadonlyMap<string, Collection>;
}

function table(
  kind: Cached["kind"],
  entries: Readonly<Record<string, ToolConfig & ResourceConfig>> = {},
  { strictness, scope, collections }: Shared,
): PatternTable<TargetPolicy> {
  const rules = Object.entries(entries).map(([name, entry]) => {
    const { cache, consistency } = entry;
    const strict = cache !== undefined && strictness.of({ kind, name, tags: cache.tags, consistency });
    return {
      name,
      entry,
      cache: cache && { ...ruleOf(cache, name.includes("*") ? scope : "public"), strict },
      answer: answerRuleOf(name, entry, strictness, collections),
    };
  });
  const policies: Record<string, TargetPolicy> = {};
  for (const { name, entry, cache, answer } of rules) {
    const { deny = false, write, validate, mirror, readPending } = entry;
    const outbox = write && outboxRuleOf(write);
    const verify = verifyOf(entry);
    policies[name] = {
      deny,
      cache: cache && verify ? { ...cache, verify } : cache,
      write: write && { ...strictness.write(write), ...(outbox && { outbox }) },
      validates: validate,
      bounds: boundsOf(name, entry),
      answer,
      verify,
      refusesPending: readPending === "refuse",
      isMirrored: mirror !== undefined,
    };
  }
  return patternTable(policies);
}

function answerRuleOf(
  name: string,
  { answer, shape, consistency }: ToolConfig,
  strictness: Strictness,
  collections: ReadonlyMap<string, Collection>,
): AnswerRule | undefined {
  const rule = answer && answerOf(answer, shape, collections, NO_REPORT);
  if (!rule) return undefined;
  const sources = [rule.from, ...rule.lookups.map(({ from }) => from)];
  const read = [...new Set(sources)].map((from) => collections.get(from)!);
  return { ...rule, strict: strictness.of({ kind: "tools", name, collections: read, consistency }) };
}

/** `shared`: whose an answer is that the operator calls public. */
function ruleOf(cache: ToolCacheConfig, shared: CacheRule["scope"]): CacheRule {
  return {
    ttlMs: cache.ttl === undefined ? undefined : ms(cache.ttl, 0),
    defaultTtlMs: 0,
    staleWhileRevalidateMs: ms(cache.staleWhileRevalidate, 0),
    staleIfErrorMs: ms(cache.staleIfError, 0),
    scope: cache.scope === "public" ? shared : "private",
    clientTtlMs: cache.clientTtl === undefined ? undefined : ms(cache.clientTtl, 0),
    tell: cache.tell ?? false,
    tags: cache.tags ?? [],
    strict: false,
  };
}

function endpointOf(
  path: string,
  config: OriginConfig,
  vars: Vars,
  problems: ConfigProblem[],
): OriginSettings["endpoint"] | undefined {
  if (config.service !== undefined) return { service: config.service };
  const named = typeof config.url === "object" ? config.url.env : undefined;
  const url = named === undefined ? config.url : vars[named];
  if (typeof url === "string" && isAskable(url, config.allowPrivate)) return { url };
  problems.push({
    path: `${path}.url`,
    // A URL may carry a credential by mistake, so a bad one is not repeated.
    found: named === undefined ? "another kind of URL" : `no such URL in the var ${named}`,
    expected: URL_SHAPE,
  });
  return undefined;
}

function ms(duration: Duration | undefined, otherwise: number): number {
  return parseDuration(duration) ?? otherwise;
}
