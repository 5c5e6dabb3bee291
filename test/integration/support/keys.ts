import { randomBytes } from "node:crypto";
import { keyHmac, keyRecord, newKey } from "../../../src/access/keys.ts";
import type { StoredKey } from "../../../src/access/StoredKey.ts";
import type { Replica } from "./replica.ts";

export const PEPPER = "a pepper of the tests";

/** An API key, with its record in the replica's KV; `more` stands in that. */
export async function makeKey(
  replica: Replica,
  pepper = PEPPER,
  more: Partial<StoredKey> = {},
): Promise<{ id: string; key: string }> {
  const made = newKey((bytes) => new Uint8Array(randomBytes(bytes)));
  const record = { name: "test", hmac: await keyHmac(made.key, pepper), createdAt: Date.now(), ...more };
  await replica.store.put(keyRecord(made.id), JSON.stringify(record));
  return made;
}

/** What a request needs to be let in with a key. */
export function bearer(key: string): { headers: Record<string, string> } {
  return { headers: { authorization: `Bearer ${key}` } };
}
