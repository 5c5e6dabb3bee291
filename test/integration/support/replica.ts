import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { type LocalKv, type ServeOptions, type Served, serve } from "../../../scripts/serve/serve.ts";
import { encodeEntry, hashOf } from "../../../src/cache/codec.ts";
import type { Entry, Position } from "../../../src/cache/entry.ts";
import { addressOf, digest, type Partition } from "../../../src/cache/key.ts";
import { isSealed, vaultFor } from "../../../src/cache/Vault.ts";
import { resolve } from "../../../src/config/resolve.ts";
import type { OriginConfig, ReplicaConfig } from "../../../src/config/types.ts";

/** A replica under test. */
export interface Replica extends Served {
  config: ReplicaConfig;
  /** `/mcp` of the first instance. */
  mcp: string;
  store: LocalKv;
  /** What the Worker has logged. */
  lines: string[];
}

/** What the replicas under test seal private entries with. */
export const ENTRY_SECRET = "secret of the tests ".repeat(4);

/** Serves the configuration. Access is open unless it says otherwise; nor is anything listened to at an origin. */
export async function startReplica(
  config: Pick<ReplicaConfig, "origins"> & Partial<ReplicaConfig>,
  options: Omit<ServeOptions, "config" | "onLine"> = {},
): Promise<Replica> {
  const folder = await mkdtemp(path.join(tmpdir(), "replica-test-"));
  const file = path.join(folder, "config.mjs");
  const quiet = ([id, origin]: [string, OriginConfig]) => [
    id,
    { ...origin, sync: { listen: "off" as const, ...origin.sync } },
  ];
  const origins = Object.fromEntries(Object.entries(config.origins).map(quiet));
  const whole: ReplicaConfig = { access: { open: true }, ...config, origins };
  await writeFile(file, `export default ${JSON.stringify(whole)};`);
  const lines: string[] = [];
  try {
    const vars = { ENTRY_SECRET, ...options.vars };
    const served = await serve({ ...options, vars, config: file, onLine: (line) => lines.push(line) });
    return { ...served, config: whole, mcp: `${served.url}/mcp`, store: await served.kv(), lines };
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** What to put into KV as if the replica had stored it earlier. */
export interface Seed {
  origin?: string;
  method?: string;
  target?: string | null;
  /** Arguments or cursor. */
  variant?: unknown;
  principal?: string;
  /** How long ago it was stored. */
  ageMs: number;
  entry?: Partial<Entry>;
}

/** The name in KV of an answer. */
export async function nameInKv(
  { config }: Pick<Replica, "config">,
  { origin = "o", method = "tools/call", target = null, variant, principal = "anonymous", entry }: Omit<Seed, "ageMs">,
): Promise<string> {
  const { identity } = resolve(config).origins.get(origin)!.settings;
  const isPublic = entry?.scope === "public";
  const subject = { originId: origin, identity, method, target, variant, capabilities: "{}" };
  const { text } = addressOf(subject, isPublic ? { scope: "public" } : { scope: "private", principal })!;
  const part = isPublic ? "public" : (await digest(principal)).slice(0, 16);
  return `e1/${origin}/${method}/${part}/${await digest(text)}`;
}

/** Where an origin's feed is: what is stored there is doubted by nobody. */
export async function positionOf({ url }: Pick<Replica, "url">, origin = "o"): Promise<Position> {
  const body = JSON.stringify({ origin, tags: ["nothing that exists"] });
  const response = await fetch(`${url}/admin/purge`, { method: "POST", body });
  const { feedId, seq } = (await response.json()) as Position;
  return { feedId, seq };
}

/** Puts an entry of that age into KV. By default it is a tool's text `old`, fresh for an hour. */
export async function seed(replica: Replica, what: Seed): Promise<string> {
  const body = what.entry?.body ?? '"content":[{"type":"text","text":"old"}]';
  const meta = what.entry?.meta ?? "";
  const storedAt = Date.now() - what.ageMs;
  const entry: Entry = {
    storedAt,
    ttlMs: 3_600_000,
    staleWhileRevalidateMs: 0,
    staleIfErrorMs: 0,
    promisedMs: 0,
    scope: "private",
    tags: [],
    savedAt: storedAt,
    hash: await hashOf(body, meta),
    contentEnd: 0,
    era: "modern",
    ...(await positionOf(replica, what.origin)),
    ...what.entry,
    body,
    meta,
  };
  const name = await nameInKv(replica, what);
  await replica.store.put(name, await sealedAs(name, encodeEntry(entry), what.principal));
  return name;
}

/** A stored value of that name, as the replica writes it. */
export async function sealedAs(name: string, text: string, principal?: string): Promise<string | Uint8Array> {
  const owner = ownerIn(name, principal);
  return isSealed(owner) ? vaultFor(ENTRY_SECRET)!.seal(owner, name, text) : text;
}

/** What is stored under a name, unsealed where it is a principal's; `null` where nothing is that opens. */
export async function textIn({ store }: Pick<Replica, "store">, name: string, principal?: string) {
  const owner = ownerIn(name, principal);
  if (!isSealed(owner)) return store.get(name);
  const value = await store.get(name, "arrayBuffer");
  return value && ((await vaultFor(ENTRY_SECRET)!.open(owner, name, value)) ?? null);
}

function ownerIn(name: string, principal = "anonymous"): { originId: string; partition: Partition } {
  const isPublic = name.split("/").at(-2) === "public";
  return { originId: name.split("/")[1]!, partition: isPublic ? { scope: "public" } : { scope: "private", principal } };
}

/** The names in KV under a method of an origin. */
export async function stored(replica: Replica, method: string, origin = "o"): Promise<string[]> {
  const { keys } = await replica.store.list({ prefix: `e1/${origin}/${method}/` });
  return keys.map(({ name }) => name);
}

/** The header line of a stored entry. */
export async function headerOf(replica: Replica, name: string): Promise<Record<string, any>> {
  return JSON.parse((await textIn(replica, name))!.split("\n")[0]!);
}
