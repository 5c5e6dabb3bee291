import { digest } from "../cache/key.ts";
import { ALGORITHMS, unsound, type JwtAlgorithm, type PublicJwk } from "../config/publicJwk.ts";
import type { Issuer } from "../config/replica.ts";
import { isObject } from "../mcp/isObject.ts";
import { readSome } from "../origin/readSome.ts";
import { reasonOf, type Reporter } from "../telemetry/events.ts";

/** Keys are asked for anew when they are this old, in ms: so long may one be taken for good that its issuer has withdrawn. */
const FRESH_MS = 600_000;
/** While the issuer cannot be asked, they are taken for good for this long. */
export const KNOWN_MS = 86_400_000;
/** An issuer is asked no more often than this, whatever its tokens name, in ms. */
export const COOLDOWN_MS = 10_000;
const TIMEOUT_MS = 3_000;
const LOOK_AGAIN_MS = 25;
const MAX_BYTES = 262_144;
const MAX_KEYS = 100;
/** Of keys that nothing tells apart so many are tried. */
const MAX_TRIES = 4;

/** Which key is looked for. */
export interface Wanted {
  alg: JwtAlgorithm;
  /** Any key of the right kind will do where there is none. */
  kid: string | undefined;
}

/** What looking for a key needs. */
export interface KeyAccess {
  kv: KVNamespace;
  /** Epoch ms. */
  now: () => number;
  waitUntil: (work: Promise<unknown>) => void;
}

/** Keys, and when their issuer has given them (epoch ms). */
interface KeySet {
  keys: readonly PublicJwk[];
  readAt: number;
}

/**
 * The public keys of an issuer. Kept in memory, and in KV for isolates to come, so that the issuer need not be up. No
 * promise is kept: requests in a Worker must not wait for each other's.
 */
export class Jwks {
  readonly #issuer: Pick<Issuer, "issuer" | "jwks">;
  readonly #report: Reporter;
  #set: KeySet | undefined;
  #askedAt = Number.NEGATIVE_INFINITY;
  #isAsking = false;

  constructor(issuer: Pick<Issuer, "issuer" | "jwks">, report: Reporter) {
    this.#issuer = issuer;
    this.#report = report;
    if ("keys" in issuer.jwks) this.#set = { keys: issuer.jwks.keys, readAt: Number.POSITIVE_INFINITY };
  }

  /**
   * The keys that may have signed it: none where there is no such key, `undefined` where the keys cannot be had. `isDoubted`:
   * those that are known have not, and it may be that the issuer has others under their names by now.
   */
  async find(wanted: Wanted, by: KeyAccess, isDoubted = false): Promise<readonly PublicJwk[] | undefined> {
    if (!this.#set) {
      const kept = await recall(this.#issuer.jwks, by);
      // Somebody may have asked the issuer meanwhile.
      this.#set ??= kept;
    }
    const known = this.#set ? fitting(this.#set.keys, wanted) : [];
    const isFresh = this.#set !== undefined && by.now() - this.#set.readAt < FRESH_MS;
    if (isFresh && known.length > 0 && !isDoubted) return known;
    await this.#askAgain(known.length > 0, by);
    if (!this.#set || by.now() - this.#set.readAt >= KNOWN_MS) return undefined;
    return fitting(this.#set.keys, wanted);
  }

  /** Asks the issuer, unless that was done lately. While somebody else does, those wait who know no key that would do. */
  async #askAgain(isKnown: boolean, by: KeyAccess): Promise<void> {
    const { jwks } = this.#issuer;
    if (!("url" in jwks)) return;
    // Whoever asks may be cut off, and never say that it is over.
    const isUnderWay = () => this.#isAsking && by.now() - this.#askedAt < TIMEOUT_MS + LOOK_AGAIN_MS;
    if (by.now() - this.#askedAt < COOLDOWN_MS) {
      while (!isKnown && isUnderWay()) await scheduler.wait(LOOK_AGAIN_MS);
      return;
    }
    this.#askedAt = by.now();
    this.#isAsking = true;
    try {
      this.#set = { keys: await fetchKeys(jwks.url), readAt: by.now() };
      by.waitUntil(keep(jwks.url, this.#set, by.kv));
    } catch (error) {
      this.#report({ type: "issuer-failed", issuer: this.#issuer.issuer, reason: reasonOf(error) });
    } finally {
      this.#isAsking = false;
    }
  }
}

function fitting(keys: readonly PublicJwk[], { alg, kid }: Wanted): PublicJwk[] {
  const kind: { kty: string; crv?: string } = ALGORITHMS[alg];
  const fits = (key: PublicJwk) =>
    key.kty === kind.kty &&
    (kind.crv === undefined || key["crv"] === kind.crv) &&
    (key["alg"] === undefined || key["alg"] === alg) &&
    (kid === undefined || key["kid"] === kid);
  return keys.filter(fits).slice(0, MAX_TRIES);
}

/** Throws what went wrong. Nobody is followed elsewhere, and no more is read than any issuer has to say. */
async function fetchKeys(url: string): Promise<PublicJwk[]> {
  const headers = { accept: "application/jwk-set+json, application/json" };
  const response = await fetch(url, { headers, redirect: "manual", signal: AbortSignal.timeout(TIMEOUT_MS) });
  if (response.status !== 200) throw new Error(`HTTP ${response.status}`);
  const read = await readSome(response, MAX_BYTES, TIMEOUT_MS);
  if (!("whole" in read)) throw new Error("the key set is too large, or comes too slowly");
  const keys = soundKeys(JSON.parse(await new Blob(read.whole as Uint8Array<ArrayBuffer>[]).text()));
  if (keys.length === 0) throw new Error("there is no usable key");
  return keys;
}

/** The keys of a set that may be relied on. Others are for something else, or should not be. */
function soundKeys(set: unknown): PublicJwk[] {
  const keys = isObject(set) && Array.isArray(set["keys"]) ? (set["keys"] as unknown[]) : [];
  return keys.slice(0, MAX_KEYS).filter((key): key is PublicJwk => unsound(key) === undefined);
}

async function recall(jwks: Issuer["jwks"], { kv, now }: KeyAccess): Promise<KeySet | undefined> {
  if (!("url" in jwks)) return undefined;
  try {
    const kept: unknown = await kv.get(await nameOf(jwks.url), "json");
    if (!isObject(kept) || typeof kept["readAt"] !== "number") return undefined;
    const keys = soundKeys(kept);
    return keys.length === 0 ? undefined : { keys, readAt: Math.min(kept["readAt"], now()) };
  } catch {
    return undefined;
  }
}

async function keep(url: string, set: KeySet, kv: KVNamespace): Promise<void> {
  try {
    await kv.put(await nameOf(url), JSON.stringify(set), { expirationTtl: KNOWN_MS / 1_000 });
  } catch {
    // The next isolate asks the issuer itself.
  }
}

async function nameOf(url: string): Promise<string> {
  return `jwks/${(await digest(url)).slice(0, 32)}`;
}
