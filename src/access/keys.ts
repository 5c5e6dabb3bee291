import { toHex } from "../cache/hex.ts";

/** A key's parts: `erk_<id>_<secret>`. The id finds it; the secret is 256 random bits. */
const FORM = /^erk_([0-9a-f]{12})_([0-9a-f]{64})$/;

/** The id in a key, where it has a key's form. */
export function keyId(key: string): string | undefined {
  return FORM.exec(key)?.[1];
}

/** The name in KV of a key's record. */
export function keyRecord(id: string): string {
  return `key/${id}`;
}

/** A new key, and its id: a new one, unless it is given. `random` gives that many random bytes. */
export function newKey(
  random: (bytes: number) => Uint8Array<ArrayBuffer>,
  id: string = toHex(random(6).buffer),
): { id: string; key: string } {
  return { id, key: `erk_${id}_${toHex(random(32).buffer)}` };
}

/** The HMAC of a key under the pepper, in hex. */
export async function keyHmac(key: string, pepper: string): Promise<string> {
  const encoder = new TextEncoder();
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const imported = await crypto.subtle.importKey("raw", encoder.encode(pepper), algorithm, false, ["sign"]);
  return toHex(await crypto.subtle.sign("HMAC", imported, encoder.encode(key)));
}
