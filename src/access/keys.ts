import { toHex } from "../cache/hex.ts";

/** An API key as kept in KV, under `key/<id>`. Never the key itself. */
export interface StoredKey {
  name: string;
  /** HMAC-SHA-256 of the whole key under the pepper, in hex. */
  hmac: string;
  /** Epoch ms. */
  createdAt: number;
  /** The roles of who has it. */
  roles?: string[];
}

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

/** A new key, and its id. `random` gives that many random bytes. */
export function newKey(random: (bytes: number) => Uint8Array<ArrayBuffer>): { id: string; key: string } {
  const id = toHex(random(6).buffer);
  return { id, key: `erk_${id}_${toHex(random(32).buffer)}` };
}

/** The HMAC of a key under the pepper, in hex. */
export async function keyHmac(key: string, pepper: string): Promise<string> {
  const encoder = new TextEncoder();
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const imported = await crypto.subtle.importKey("raw", encoder.encode(pepper), algorithm, false, ["sign"]);
  return toHex(await crypto.subtle.sign("HMAC", imported, encoder.encode(key)));
}

/** Compares in a time that does not depend on where the texts differ. */
export function sameText(a: string, b: string): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let index = 0; index < a.length; index++) difference |= a.charCodeAt(index) ^ b.charCodeAt(index);
  return difference === 0;
}
