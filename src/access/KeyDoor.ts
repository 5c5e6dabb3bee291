import type { Caller } from "./Caller.ts";
import { goodUntil } from "./goodUntil.ts";
import { keyHmac, keyId } from "./keys.ts";
import { KeyStore } from "./KeyStore.ts";
import { LastUses } from "./LastUses.ts";
import type { StoredKey } from "./StoredKey.ts";
import { Strangers } from "./Strangers.ts";

/** What may come of one address that has a key's form and is none: each costs a read of KV. */
const UNKNOWN_KEYS = { burst: 100, perSecond: 5 };

/** What looking up a key needs. */
export interface KeyCredentials {
  headers: Headers;
  /** The host that the caller addressed, without its port. */
  hostname: string;
  kv: KVNamespace;
  pepper: string | undefined;
  /** Epoch ms. */
  now: () => number;
  /** For what nobody waits for. */
  waitUntil: (work: Promise<unknown>) => void;
}

/** Why a key lets nobody in. */
export type KeyRefusal =
  /** `reason` is for the log. */
  | { kind: "unauthorized"; reason: string }
  /** The secret that keys need is missing. */
  | { kind: "unconfigured"; detail: string }
  /** Of this address came too many that were none. */
  | { kind: "rate-limited"; retryAfterMs: number }
  /** KV does not answer. */
  | { kind: "keys-unavailable" };

/** Whose key it is, and until when (epoch ms; `Infinity`: for good); or why nobody is let in. */
export type KeyChecked = { caller: Caller; until: number } | { refusal: KeyRefusal };

/** Lets in by API key. */
export class KeyDoor {
  readonly #strangers = new Strangers(UNKNOWN_KEYS);
  readonly #uses = new LastUses();

  /** Looks up a key, or whatever was sent in its place. */
  async check(key: string, { headers, hostname, kv, pepper, now, waitUntil }: KeyCredentials): Promise<KeyChecked> {
    if (!pepper) return { refusal: { kind: "unconfigured", detail: NO_PEPPER } };
    const id = keyId(key);
    if (id === undefined) return { refusal: { kind: "unauthorized", reason: "key: malformed" } };
    const stranger = this.#strangers.elsewhere(headers, hostname);
    // Taken before it is known who asks: who knocks a thousand times at once would else be heard a thousand times.
    const retryAfterMs = stranger?.take(now()) ?? 0;
    if (retryAfterMs > 0) return { refusal: { kind: "rate-limited", retryAfterMs } };
    const store = new KeyStore(kv);
    let stored: StoredKey | undefined;
    try {
      stored = await store.read(id);
    } catch {
      return { refusal: { kind: "keys-unavailable" } };
    }
    const until = stored && goodUntil(stored, await keyHmac(key, pepper), now());
    if (!stored || until === undefined)
      return { refusal: { kind: "unauthorized", reason: "key: unknown, or past its end" } };
    stranger?.giveBack();
    this.#uses.note(store, id, now(), waitUntil);
    return { caller: callerOf(id, stored), until };
  }
}

/** What operators are told where keys cannot work. */
export const NO_PEPPER =
  "the secret KEY_PEPPER is not set. Its operator can set it: openssl rand -hex 32 | npx wrangler secret put KEY_PEPPER, or a line KEY_PEPPER=… in .dev.vars";

function callerOf(id: string, { roles, tenant, scopes }: StoredKey): Caller {
  return {
    principal: `key:${id}`,
    ...(roles && { roles }),
    ...(tenant !== undefined && { tenant }),
    ...(scopes && { scopes: scopes.toSorted() }),
  };
}
