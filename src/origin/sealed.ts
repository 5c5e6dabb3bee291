import { deriveKey } from "../cache/deriveKey.ts";

const IV_BYTES = 12;

/**
 * A text that only who has the secret can read or make: AES-GCM under a key derived from it (HKDF-SHA-256). In base64.
 * `purpose` is part of the key: what was sealed for one is nothing to another.
 */
export async function seal(text: string, secret: string, purpose: string): Promise<string> {
  const iv = crypto.getRandomValues(new Uint8Array(IV_BYTES));
  const key = await deriveKey(secret, purpose);
  const sealed = await crypto.subtle.encrypt({ name: "AES-GCM", iv }, key, new TextEncoder().encode(text));
  return new Uint8Array([...iv, ...new Uint8Array(sealed)]).toBase64();
}

/** What was sealed; `undefined` where that was under another secret, for another purpose, or is damaged. */
export async function unseal(sealed: string, secret: string, purpose: string): Promise<string | undefined> {
  try {
    const bytes = Uint8Array.fromBase64(sealed);
    const key = await deriveKey(secret, purpose);
    const iv = bytes.subarray(0, IV_BYTES);
    const text = await crypto.subtle.decrypt({ name: "AES-GCM", iv }, key, bytes.subarray(IV_BYTES));
    return new TextDecoder().decode(text);
  } catch {
    return undefined;
  }
}
