import { convertV4MiniflareOptions, Log, LogLevel, Miniflare } from "miniflare";
import { randomBytes } from "node:crypto";
import { bundleWorker, type Rewrites } from "./bundle.ts";
import { COMPATIBILITY } from "./compatibility.ts";
import { applyMigrations, type LocalD1 } from "./migrations.ts";
import { freePort } from "./freePort.ts";
import type { RateLimits } from "./rateLimits.ts";

/** How to serve the replica on this machine. */
export interface ServeOptions {
  /** Stands in for `src/replica.config.ts`. */
  config?: string;
  /** 0 for any free port. Default: 0. */
  port?: number;
  /** Where KV, D1 and Durable Objects persist. Default: in memory. */
  state?: string;
  /** Vars and secrets. Where nothing persists, `ENTRY_SECRET` is made unless it is among them. */
  vars?: Readonly<Record<string, string>>;
  /** The rate-limit bindings. Default: none. */
  rateLimits?: RateLimits;
  /** How many Workers share KV, D1 and the Durable Objects; each after the first is another isolate, as in another place. Default: 1. */
  instances?: number;
  /** Whether the last instance can reach its `OriginSync` objects, asked at each call. For tests. Default: it can. */
  reachable?: () => boolean;
  /** How the Worker is built otherwise than it is written. Default: not at all. */
  rewrites?: Rewrites;
  /** Gets each line that the Worker logs. Default: none. */
  onLine?: (line: string) => void;
}

/** A replica that is being served. */
export interface Served {
  /** Without a path, one for each instance. */
  urls: string[];
  /** `urls[0]`. */
  url: string;
  /** Its D1, as the Worker sees it. */
  d1(): Promise<LocalD1>;
  /** Its KV, as the Worker sees it. */
  kv(): Promise<LocalKv>;
  close(): Promise<void>;
}

/** What scripts and tests use of the local KV. */
export interface LocalKv {
  get(name: string): Promise<string | null>;
  get(name: string, type: "arrayBuffer"): Promise<ArrayBuffer | null>;
  put(name: string, value: string | Uint8Array, options?: { expirationTtl?: number }): Promise<void>;
  delete(name: string): Promise<void>;
  list(options?: { prefix?: string }): Promise<{ keys: { name: string }[] }>;
}

/**
 * Bundles the Worker and serves it on workerd with direct sockets: the request reaches the Worker without a proxy in
 * between, as it does at the edge.
 */
export async function serve(options: ServeOptions = {}): Promise<Served> {
  const modules = (await bundleWorker(options.config, options.rewrites)).map((module) => ({
    type: "ESModule" as const,
    ...module,
  }));
  const instances = options.instances ?? 1;
  const ports = await Promise.all(
    Array.from({ length: instances }, (_, index) => freePort(index === 0 ? options.port : 0)),
  );
  const { reachable, rateLimits = {} } = options;
  const vars = { ...(options.state === undefined && { ENTRY_SECRET: newSecret() }), ...options.vars };
  const ratelimits = Object.fromEntries(
    Object.entries(rateLimits).map(([name, simple]) => [name, { namespace_id: name, simple }]),
  );
  /** The Worker that has an instance's `OriginSync`. */
  const syncOf = (index: number) => (reachable && index === instances - 1 ? GATE : nameOf(0));
  const workers = ports.map((port, index) => ({
    name: nameOf(index),
    modules,
    ...COMPATIBILITY,
    bindings: { REPLICA_LOG: "off", ...vars },
    kvNamespaces: { KV: "KV" },
    d1Databases: { DB: "DB" },
    ratelimits,
    durableObjects: {
      COALESCER: { className: "Coalescer", useSQLite: true, ...(index > 0 && { scriptName: nameOf(0) }) },
      ORIGIN_SYNC: {
        className: "OriginSync",
        useSQLite: true,
        ...(syncOf(index) !== nameOf(index) && { scriptName: syncOf(index) }),
      },
      MIRROR_SYNC: { className: "MirrorSync", useSQLite: true, ...(index > 0 && { scriptName: nameOf(0) }) },
      OUTBOX: { className: "Outbox", useSQLite: true, ...(index > 0 && { scriptName: nameOf(0) }) },
    },
    unsafeDirectSockets: [{ host: "127.0.0.1", port }],
  }));
  const miniflare = new Miniflare(
    convertV4MiniflareOptions({
      host: "127.0.0.1",
      port: 0,
      workers: reachable ? [...workers, gateOf(nameOf(0), reachable)] : workers,
      log: new Log(LogLevel.ERROR),
      ...(options.state !== undefined && { resourcePersistencePath: options.state }),
      handleStructuredLogs: ({ message }) => message.split("\n").forEach((line) => options.onLine?.(line)),
    }),
  );
  await miniflare.ready;
  const d1 = async () => (await miniflare.getD1Database("DB", nameOf(0))) as unknown as LocalD1;
  await applyMigrations(await d1());
  const urls = ports.map((port) => `http://127.0.0.1:${port}`);
  return {
    urls,
    url: urls[0]!,
    d1,
    kv: async () => (await miniflare.getKVNamespace("KV", nameOf(0))) as unknown as LocalKv,
    close: () => miniflare.dispose(),
  };
}

/** A secret that nobody has to know. */
export function newSecret(): string {
  return randomBytes(32).toString("hex");
}

const GATE = "gate";

/** A Worker that stands before the `OriginSync` objects of another: what it lets through reaches them. */
function gateOf(scriptName: string, reachable: () => boolean) {
  return {
    name: GATE,
    modules: [{ type: "ESModule" as const, path: "gate.js", contents: GATE_SCRIPT }],
    ...COMPATIBILITY,
    durableObjects: {
      SELF: { className: "OriginSync", useSQLite: true },
      BEHIND: { className: "OriginSync", useSQLite: true, scriptName },
    },
    serviceBindings: { ASK: () => new Response(null, { status: reachable() ? 204 : 503 }) },
  };
}

const GATE_SCRIPT = `
import { DurableObject } from "cloudflare:workers";
export class OriginSync extends DurableObject {}
const FEED = ["pulse", "invalidate", "deliver", "announce", "conclude", "totals", "tenants"];
const METHODS = [...FEED, "sealKey", "endSession", "hasEnded", "pooledSession", "ownToken"];
for (const method of METHODS) {
  OriginSync.prototype[method] = async function (...args) {
    const { BEHIND, ASK } = this.env;
    if (!(await ASK.fetch("http://gate")).ok) throw new Error("nobody can be reached");
    return BEHIND.get(BEHIND.idFromName(this.ctx.id.name))[method](...args);
  };
}
export default {};
`;

function nameOf(index: number): string {
  return index === 0 ? "replica" : `replica-${index}`;
}
