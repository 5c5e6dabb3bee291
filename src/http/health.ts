import { KvStore } from "../cache/KvStore.ts";
import type { Origin, Replica } from "../config/replica.ts";
import type { Bindings } from "../origin/callOrigin.ts";
import { probeOrigin } from "../origin/probeOrigin.ts";
import { isMirrored, lacksOf } from "./lacksOf.ts";
import { unmigrated } from "./unmigrated.ts";

/** Whether one origin can be served now, and from what. */
export interface Readiness {
  /** The origin answered, whatever it said, but for 5xx. */
  reachable: boolean;
  /** A way to open a connection is stored, so clients can connect without the origin. */
  stored: boolean;
}

/** Whether all can be served. */
interface Ready {
  ready: boolean;
  origins: Record<string, Readiness>;
  /** The secrets and bindings that the configuration needs and that are not there; absent where none is. */
  missing?: string[];
  /** What the operator has to provide for the replica to do all it can; absent where that is nothing. No failure. */
  warnings?: string[];
}

/** Probes are remembered for this long, so that probing the replica is not a way to burden its origin. */
const PROBED_MS = 5_000;
const PROBE_TIMEOUT_MS = 2_000;

/** The methods that open a connection. */
const OPENING = ["server/discover", "initialize"];

/** What a probe found, or that one is under way. */
interface Probe {
  at: number;
  found: Readiness | undefined;
}

/** Answers whether the origins can be served. */
export class Health {
  readonly #replica: Replica;
  readonly #probes = new Map<string, Probe>();
  /** What the database was found to lack, and when. */
  #database: { at: number; lack: string | undefined } | undefined;

  constructor(replica: Replica) {
    this.#replica = replica;
  }

  /** By origin id. Ready is what is reachable or stored, where every secret and binding is there that the configuration needs. */
  async readiness(env: Cloudflare.Env): Promise<Ready> {
    const origins: Record<string, Readiness> = {};
    const probe = async ([id, origin]: [string, Origin]) => void (origins[id] = await this.#readiness(id, origin, env));
    await Promise.all([...this.#replica.origins].map(probe));
    const isReady = Object.values(origins).every(({ reachable, stored }) => reachable || stored);
    const { missing, warnings } = lacksOf(this.#replica, env as unknown as Bindings);
    const lack = env.DB && isMirrored(this.#replica) ? await this.#databaseLack(env.DB) : undefined;
    if (lack !== undefined) warnings.push(lack);
    return {
      ready: isReady && missing.length === 0,
      origins,
      ...(missing.length > 0 && { missing }),
      ...(warnings.length > 0 && { warnings }),
    };
  }

  async #databaseLack(db: D1Database): Promise<string | undefined> {
    if (this.#database && Date.now() - this.#database.at < PROBED_MS) return this.#database.lack;
    // Those that come meanwhile are told what was found before.
    this.#database = { at: Date.now(), lack: this.#database?.lack };
    this.#database.lack = await unmigrated(db);
    return this.#database.lack;
  }

  async #readiness(id: string, origin: Origin, env: Cloudflare.Env): Promise<Readiness> {
    const begun = Date.now();
    // Requests do not wait for each other's promises, so those that come during a probe look again and again.
    while (Date.now() - begun < 2 * PROBE_TIMEOUT_MS) {
      const known = this.#probes.get(id);
      if (!known || Date.now() - known.at >= PROBED_MS) break;
      if (known.found) return known.found;
      await scheduler.wait(50);
    }
    const probe: Probe = { at: Date.now(), found: undefined };
    this.#probes.set(id, probe);
    const [reachable, stored] = await Promise.all([isReachable(origin, env), isStored(id, env)]);
    probe.found = { reachable, stored };
    return probe.found;
  }
}

async function isReachable({ settings }: Origin, env: Cloudflare.Env): Promise<boolean> {
  return (await probeOrigin(settings, env as unknown as Bindings, { timeoutMs: PROBE_TIMEOUT_MS })) === undefined;
}

async function isStored(id: string, env: Cloudflare.Env): Promise<boolean> {
  const kv = new KvStore(env.KV, undefined);
  try {
    const found = await Promise.all(OPENING.map((method) => kv.hasAny(id, method)));
    return found.includes(true) || (await kv.hasAnyOfTenants(id, OPENING));
  } catch {
    return false;
  }
}
