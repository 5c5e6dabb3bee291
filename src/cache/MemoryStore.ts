import type { Entry } from "./entry.ts";
import type { Address } from "./key.ts";
import { S3Fifo } from "./S3Fifo.ts";
import type { Store } from "./Store.ts";

/** An entry in memory. */
interface Kept {
  address: Address;
  entry: Entry;
  /** Until when a refresh of it is under way, epoch ms; 0 for none. A time, not a promise: those are not shared between requests. */
  refreshingUntil: number;
}

/** What an entry takes beside its text: the objects around it, as V8 lays them out. */
const OVERHEAD_BYTES = 600;

/** Entries in an isolate's memory. Bounded by bytes, not emptied by scans, never waited for. */
export class MemoryStore implements Store {
  readonly #entries: S3Fifo<Kept>;

  /** `capacityBytes` bounds what is kept; a Worker's isolate has 128 MB for everything. */
  constructor(capacityBytes: number) {
    this.#entries = new S3Fifo(capacityBytes);
  }

  /** As `get`, at once: the hot path does not yield. */
  peek(address: Address): Entry | undefined {
    return this.#entries.get(address.text)?.entry;
  }

  async get(address: Address): Promise<Entry | undefined> {
    return this.peek(address);
  }

  async put(address: Address, entry: Entry): Promise<void> {
    // Text outside of Latin-1 takes two bytes a character; counting two for all is the safe side.
    const bytes = 2 * (address.text.length + entry.body.length + entry.meta.length) + OVERHEAD_BYTES;
    this.#entries.set(address.text, { address, entry, refreshingUntil: 0 }, bytes);
  }

  async delete(address: Address): Promise<void> {
    this.#entries.delete(address.text);
  }

  async purge(originId: string, method: string, scope?: Entry["scope"]): Promise<void> {
    for (const key of this.#entries.keys()) {
      const address = this.#entries.get(key)!.address;
      if (address.originId !== originId || address.method !== method) continue;
      if (scope === undefined || address.partition.scope === scope) this.#entries.delete(key);
    }
  }

  /** Removes all entries of an origin. */
  drop(originId: string): void {
    for (const key of this.#entries.keys()) {
      if (this.#entries.get(key)!.address.originId === originId) this.#entries.delete(key);
    }
  }

  /** Claims the refresh of an entry until `until` (epoch ms). False where another request has claimed it. What is not here, for instance because it is too large, anybody may refresh. */
  claimRefresh(address: Address, now: number, until: number): boolean {
    const kept = this.#entries.get(address.text);
    if (kept && kept.refreshingUntil > now) return false;
    if (kept) kept.refreshingUntil = until;
    return true;
  }

  /** Gives up the claim, so that the next request may try. */
  releaseRefresh(address: Address): void {
    const kept = this.#entries.get(address.text);
    if (kept) kept.refreshingUntil = 0;
  }
}
