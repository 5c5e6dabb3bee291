import { isFromHere } from "./isFromHere.ts";
import { networkOf } from "./networkOf.ts";
import { TokenBucket, type Rate } from "./TokenBucket.ts";

/** As many addresses are remembered; each begins anew when it was forgotten. */
const REMEMBERED = 1_000;

/**
 * What may come of an address that turns out to be nobody's: looking for that has its price. Whoever is known takes
 * nothing away, if its token is given back.
 */
export class Strangers {
  readonly #rate: Rate;
  readonly #buckets = new Map<string, TokenBucket>();

  constructor(rate: Rate) {
    this.#rate = rate;
  }

  /** What whoever sends these may still ask: no other header says where they come from that a caller could not write. */
  of(headers: Headers): TokenBucket {
    return this.at(networkOf(headers.get("cf-connecting-ip") ?? ""));
  }

  /** The same; `undefined` where they come from this machine, under its name `hostname`: nobody there is a stranger. */
  elsewhere(headers: Headers, hostname: string): TokenBucket | undefined {
    return isFromHere(hostname, headers.get("cf-connecting-ip")) ? undefined : this.of(headers);
  }

  /** What an address may still ask. */
  at(address: string): TokenBucket {
    const known = this.#buckets.get(address);
    if (known) return known;
    if (this.#buckets.size >= REMEMBERED) {
      const [longest = ""] = this.#buckets.keys();
      this.#buckets.delete(longest);
    }
    const bucket = new TokenBucket(this.#rate);
    this.#buckets.set(address, bucket);
    return bucket;
  }
}
