import type { Caller } from "./Caller.ts";

/** Longest that anybody is remembered, in ms: so much longer may a token work whose issuer has withdrawn the key that signed it. */
export const REMEMBERED_MS = 600_000;

/** Of a generation: so many credentials, of so many characters together. */
const MAX_COUNT = 2_000;
const MAX_LENGTH = 2_097_152;

/** Who showed a credential, and until when that is taken for true (epoch ms). */
interface Known {
  readonly found: Readonly<{ caller: Caller }>;
  until: number;
}

/**
 * Who was let in lately, by what they showed and where: so that whoever calls again is known without any waiting.
 * **This holds credentials in memory**, as the header that carried them: digests in Workers are made behind a promise,
 * and waiting costs a turn of the event loop in each call. Only those that were found valid are kept, up to
 * 4,000 of them and 4 M characters, each for ten minutes at most and in memory for as long again; nothing of them is
 * ever shown or written. Pure: times are passed in.
 */
export class Remembered {
  // Two generations: the older is dropped whole, so that forgetting costs nothing, and nothing outlives both.
  #young = new Map<string, Known>();
  #old = new Map<string, Known>();
  #length = 0;
  #bornAt = 0;

  /** Who showed that there; `resource` is where the credential is good, `""` where it is good anywhere here. */
  find(resource: string, authorization: string, now: number): Known["found"] | undefined {
    const name = nameOf(resource, authorization);
    const known = this.#young.get(name) ?? this.#old.get(name);
    return known && now < known.until ? known.found : undefined;
  }

  /** Keeps who it was, until then (epoch ms) or as long as anybody is kept. What is over already is not kept. */
  keep(resource: string, authorization: string, found: Known["found"], until: number, now: number): void {
    if (until <= now) return;
    if (this.#young.size >= MAX_COUNT || this.#length >= MAX_LENGTH || now - this.#bornAt >= REMEMBERED_MS) {
      this.#old = now - this.#bornAt >= 2 * REMEMBERED_MS ? new Map() : this.#young;
      this.#young = new Map();
      this.#length = 0;
      this.#bornAt = now;
    }
    const name = nameOf(resource, authorization);
    this.#young.set(name, { found, until: Math.min(until, now + REMEMBERED_MS) });
    this.#length += name.length;
  }
}

/** Neither part can have a line break, so no header can be taken for another at another place. */
function nameOf(resource: string, authorization: string): string {
  return `${resource}\n${authorization}`;
}
