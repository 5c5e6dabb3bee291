import { isLoopback } from "../config/resolve.ts";
import type { Replica } from "../config/replica.ts";
import { ANYBODY, type Caller } from "./Caller.ts";
import { keyHmac, keyId, keyRecord, sameText, type StoredKey } from "./keys.ts";

const OPEN: Authenticated = Object.freeze({ caller: ANYBODY });

/** Why a caller is not let in. */
export type Refusal =
  /** No key, or not a valid one. */
  | { kind: "unauthorized" }
  /** The replica is open on loopback only, and this is not loopback. */
  | { kind: "closed" }
  /** The configuration lets nobody in, or a secret it needs is missing. */
  | { kind: "unconfigured"; detail: string };

/** Who it is, or why not. */
export type Authenticated = { caller: Caller } | { refusal: Refusal };

/** What authentication reads. */
export interface Credentials {
  headers: Headers;
  /** The host that the caller addressed, without its port. */
  hostname: string;
  kv: KVNamespace;
  pepper: string | undefined;
  /** Epoch ms. */
  now: () => number;
}

/** Verified keys are remembered for this long: a revoked one may work as much longer. */
const REMEMBERED_MS = 60_000;
const REMEMBERED_KEYS = 1_000;

/** Decides who calls, before anything else of the request is looked at. */
export class Authenticator {
  readonly #access: Replica["access"];
  // By HMAC, not by key: no credential stays in memory.
  readonly #verified = new Map<string, { caller: Caller; until: number }>();

  constructor(access: Replica["access"]) {
    this.#access = access;
  }

  /** At once where access is open. */
  authenticate(by: Credentials): Authenticated | Promise<Authenticated> {
    const { open, openOnPurpose, keys } = this.#access;
    const authorization = keys ? by.headers.get("authorization") : null;
    if (authorization !== null) return this.#byKey(authorization, by);
    if (open && (openOnPurpose || isLoopback(by.hostname))) return OPEN;
    if (keys) return { refusal: { kind: "unauthorized" } };
    if (open) return { refusal: { kind: "closed" } };
    return { refusal: { kind: "unconfigured", detail: "the configuration's access lets nobody in" } };
  }

  async #byKey(authorization: string, by: Credentials): Promise<Authenticated> {
    if (!by.pepper) return { refusal: { kind: "unconfigured", detail: "the secret KEY_PEPPER is not set" } };
    const key = /^Bearer +(\S+)$/i.exec(authorization)?.[1] ?? "";
    const id = keyId(key);
    if (id === undefined) return { refusal: { kind: "unauthorized" } };
    const hmac = await keyHmac(key, by.pepper);
    const known = this.#verified.get(hmac);
    if (known && by.now() < known.until) return { caller: known.caller };
    const stored = await by.kv.get<StoredKey>(keyRecord(id), "json");
    if (!stored || !sameText(stored.hmac, hmac)) return { refusal: { kind: "unauthorized" } };
    const caller: Caller = { principal: `key:${id}`, ...(stored.roles && { roles: stored.roles }) };
    if (this.#verified.size >= REMEMBERED_KEYS) this.#verified.clear();
    this.#verified.set(hmac, { caller, until: by.now() + REMEMBERED_MS });
    return { caller };
  }
}
