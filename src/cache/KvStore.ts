import { decodeEntry, encodeEntry } from "./codec.ts";
import { tenantId } from "../config/tenant.ts";
import { lifetimeMs, type Entry } from "./entry.ts";
import type { KeptCount } from "./KeptCount.ts";
import { digest, digestOf, type Address } from "./key.ts";
import type { Store } from "./Store.ts";
import { isSealed, type Vault } from "./Vault.ts";

/** How long a KV location may go on answering from its own cache, in s; KV's minimum. Misses are remembered as long. */
const KV_CACHE_TTL_S = 30;
/** KV's shortest expiry, in s. */
const MIN_EXPIRY_S = 60;
const DELETES_AT_ONCE = 50;
/** Counting ends after so many pages of a thousand names each. */
const COUNTED_PAGES = 10;
/** As many tools are counted by name. */
const COUNTED_TOOLS = 200;
/** KV keeps 1,024 bytes of JSON beside a value; a character may take six. */
const MAX_TOOL_LENGTH = 160;

/**
 * Entries in Workers KV, under `e1/<origin>/<method>/<partition>/<hash>`. Eventually consistent: another location may
 * see an older value, or none, for a minute. What is somebody's own is sealed; without a vault it is not kept here. Nor
 * is what belongs to one session: KV charges for each write, and a session mostly stays where it is.
 */
export class KvStore implements Store {
  readonly #kv: KVNamespace;
  readonly #vault: Vault | undefined;

  constructor(kv: KVNamespace, vault: Vault | undefined) {
    this.#kv = kv;
    this.#vault = vault;
  }

  async get(address: Address): Promise<Entry | undefined> {
    if (!this.#keeps(address)) return undefined;
    const name = await nameOf(address);
    const text = isSealed(address)
      ? await this.#open(address, name)
      : await this.#kv.get(name, { type: "text", cacheTtl: KV_CACHE_TTL_S });
    const entry = text === null || text === undefined ? undefined : await decodeEntry(text);
    // What was somebody's own before such was sealed is nobody's.
    return entry?.scope === address.partition.scope ? entry : undefined;
  }

  /** Keeps the entry until nothing could serve it any more. */
  async put(address: Address, entry: Entry): Promise<void> {
    if (!this.#keeps(address)) return;
    const expirationTtl = Math.max(MIN_EXPIRY_S, Math.ceil(lifetimeMs(entry) / 1_000));
    const name = await nameOf(address);
    const text = encodeEntry(entry);
    const { method, target } = address;
    // Also of what is sealed: by these names the operator sees what is kept.
    const tool = method === "tools/call" && target !== null && { tool: target.slice(0, MAX_TOOL_LENGTH) };
    const value = isSealed(address) ? await this.#vault!.seal(address, name, text) : text;
    await this.#kv.put(name, value, { expirationTtl, ...(tool && { metadata: tool }) });
  }

  async delete(address: Address): Promise<void> {
    if (this.#keeps(address)) await this.#kv.delete(await nameOf(address));
  }

  async purge(originId: string, method: string, scope?: Entry["scope"]): Promise<void> {
    const prefix = prefixOf(originId, method);
    const names: string[] = [];
    let cursor: string | undefined;
    do {
      const page: KVNamespaceListResult<unknown> = await this.#kv.list({ prefix, ...(cursor && { cursor }) });
      names.push(...page.keys.map(({ name }) => name));
      cursor = page.list_complete ? undefined : page.cursor;
    } while (cursor);
    const wanted = names.filter((name) => {
      const isPublic = name.startsWith(`${prefix}${PUBLIC_PART}/`);
      return scope === undefined || isPublic === (scope === "public");
    });
    for (let from = 0; from < wanted.length; from += DELETES_AT_ONCE) {
      await Promise.all(wanted.slice(from, from + DELETES_AT_ONCE).map((name) => this.#kv.delete(name)));
    }
  }

  #keeps(address: Address): boolean {
    return !isOfSession(address) && (this.#vault !== undefined || !isSealed(address));
  }

  async #open(address: Address, name: string): Promise<string | undefined> {
    const value = await this.#kv.get(name, { type: "arrayBuffer", cacheTtl: KV_CACHE_TTL_S });
    return value === null ? undefined : this.#vault!.open(address, name, value);
  }

  /** How many entries are kept of an origin, of whomever and in all worlds. */
  async count(originId: string): Promise<KeptCount> {
    const byMethod = new Map<string, number>();
    const byTool = new Map<string, number>();
    let total = 0;
    let pages = 0;
    let isWhole = true;
    for (const prefix of [`e1/${originId}/`, `e1/${tenantId(originId, "")}`]) {
      let cursor: string | undefined;
      do {
        if (pages++ >= COUNTED_PAGES) isWhole = false;
        if (!isWhole) break;
        const listed: KVNamespaceListResult<{ tool?: string }> = await this.#kv.list({
          prefix,
          ...(cursor && { cursor }),
        });
        total += listed.keys.length;
        for (const { name, metadata } of listed.keys) {
          // A method has slashes of its own; two parts stand before it, and two after.
          add(byMethod, name.split("/").slice(2, -2).join("/"));
          if (metadata?.tool === undefined) continue;
          add(byTool, byTool.has(metadata.tool) || byTool.size < COUNTED_TOOLS ? metadata.tool : "other");
        }
        cursor = listed.list_complete ? undefined : listed.cursor;
      } while (cursor);
    }
    return { isWhole, total, byMethod: Object.fromEntries(byMethod), byTool: Object.fromEntries(byTool) };
  }

  /** Whether anything of the method is kept for anybody. */
  async hasAny(originId: string, method: string): Promise<boolean> {
    return (await this.#kv.list({ prefix: prefixOf(originId, method), limit: 1 })).keys.length > 0;
  }

  /** The same of several methods, in the worlds of the origin's tenants: among the first thousand names. */
  async hasAnyOfTenants(originId: string, methods: readonly string[]): Promise<boolean> {
    const { keys } = await this.#kv.list({ prefix: `e1/${tenantId(originId, "")}` });
    return keys.some(({ name }) => methods.some((method) => name.includes(`/${method}/`)));
  }
}

function add(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1);
}

function isOfSession({ partition }: Address): boolean {
  return partition.scope === "private" && partition.session !== undefined;
}

const PUBLIC_PART = "public";

function prefixOf(originId: string, method: string): string {
  return `e1/${originId}/${method}/`;
}

async function nameOf(address: Address): Promise<string> {
  const { originId, method, partition } = address;
  const part = partition.scope === "public" ? PUBLIC_PART : (await digest(partition.principal)).slice(0, 16);
  return `${prefixOf(originId, method)}${part}/${await digestOf(address)}`;
}
