import { isOfTenant } from "../config/tenant.ts";
import { deriveKey } from "./deriveKey.ts";
import type { Address } from "./key.ts";
import { S3Fifo } from "./S3Fifo.ts";

/** What a sealed value begins with: the version of its form. No plain value of whatever version does. */
const FORM = 2;
const IV_BYTES = 12;
/** What is bound to a key besides the partition, so that no other use of the secret has the same one. */
const PURPOSE = "edge-replica/entry";
/** The shortest secret that is taken, in characters: of random hex, 128 bits. */
const MIN_SECRET_LENGTH = 32;
/** As many partitions' keys are remembered. */
const KEYS = 1_000;

/** Whose an entry is, as far as its key goes. */
export type Owner = Pick<Address, "originId" | "partition">;

/**
 * Seals entries for KV, and what else is kept for long: AES-GCM under a key of the partition's own, which is derived from one secret (HKDF, RFC 5869).
 * What was sealed under another name, in another partition or with another secret does not open. Keys are remembered
 * for all requests of an isolate.
 */
export class Vault {
  readonly #secret: string;
  readonly #purpose: string;
  readonly #keys = new S3Fifo<CryptoKey>(KEYS);

  /** What is sealed for one purpose does not open for another. */
  constructor(secret: string, purpose = PURPOSE) {
    this.#secret = secret;
    this.#purpose = purpose;
  }

  /** The text, to be kept under that name. */
  async seal(owner: Owner, name: string, text: string): Promise<Uint8Array<ArrayBuffer>> {
    const iv = crypto.getRandomValues(new Uint8Array(IV_BYTES));
    const plain = new TextEncoder().encode(text);
    const sealed = await crypto.subtle.encrypt(parametersOf(iv, name), await this.#keyOf(owner), plain);
    const value = new Uint8Array(1 + IV_BYTES + sealed.byteLength);
    value[0] = FORM;
    value.set(iv, 1);
    value.set(new Uint8Array(sealed), 1 + IV_BYTES);
    return value;
  }

  /** The text of what is kept under that name; `undefined` where it was not sealed for it, or is not whole. */
  async open(owner: Owner, name: string, value: ArrayBuffer): Promise<string | undefined> {
    const bytes = new Uint8Array(value);
    if (bytes[0] !== FORM) return undefined;
    const key = await this.#keyOf(owner);
    const iv = bytes.slice(1, 1 + IV_BYTES);
    try {
      const plain = await crypto.subtle.decrypt(parametersOf(iv, name), key, bytes.subarray(1 + IV_BYTES));
      return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(plain);
    } catch {
      return undefined;
    }
  }

  async #keyOf({ originId, partition }: Owner): Promise<CryptoKey> {
    const owner = JSON.stringify([
      this.#purpose,
      FORM,
      originId,
      partition.scope === "public" ? null : [partition.principal, partition.session ?? null],
    ]);
    const known = this.#keys.get(owner);
    if (known) return known;
    const key = await deriveKey(this.#secret, owner);
    this.#keys.set(owner, key, 1);
    return key;
  }
}

/** Whether an entry is somebody's own, so that it is kept sealed or not at all: one principal's, or one tenant's. */
export function isSealed({ originId, partition }: Owner): boolean {
  return partition.scope === "private" || isOfTenant(originId);
}

/** Why a secret cannot be used, as a sentence for the operator; `undefined` where it can. */
export function secretProblem(secret: string | undefined): string | undefined {
  const consequence = "private answers are kept in memory only, not in KV";
  if (!secret) return `The secret ENTRY_SECRET is not set: ${consequence}.`;
  if (secret.length >= MIN_SECRET_LENGTH) return undefined;
  return `The secret ENTRY_SECRET is shorter than ${MIN_SECRET_LENGTH} characters: ${consequence}.`;
}

let latest: { secret: string; vault: Vault } | undefined;

/** The isolate's vault for a secret; `undefined` where it cannot be used. */
export function vaultFor(secret: string | undefined): Vault | undefined {
  if (latest && latest.secret === secret) return latest.vault;
  if (secret === undefined || secretProblem(secret) !== undefined) return undefined;
  latest = { secret, vault: new Vault(secret) };
  return latest.vault;
}

function parametersOf(iv: Uint8Array<ArrayBuffer>, name: string) {
  return { name: "AES-GCM", iv, additionalData: new TextEncoder().encode(name) };
}
