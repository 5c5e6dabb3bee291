import type { Address } from "./key.ts";
import type { Entry } from "./entry.ts";

/**
 * A place where entries are kept. No store is needed for correctness: what it loses is a miss. A store returns what it
 * has, fresh or not; expired entries may be gone.
 */
export interface Store {
  get(address: Address): Promise<Entry | undefined>;
  put(address: Address, entry: Entry): Promise<void>;
  delete(address: Address): Promise<void>;
  /** Removes all entries of an origin's method, optionally only those of one scope. */
  purge(originId: string, method: string, scope?: Entry["scope"]): Promise<void>;
}
