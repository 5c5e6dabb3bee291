/** A pull that is not heard of for so long has its place no more. */
const LEASE_MS = 10_000;
/** So many calls to the origin a pull may make at once. */
const CALLS = 4;

/**
 * Who may pull from an origin at the same time: as many mirrors as together make no more calls at once than it is to see. Not
 * kept: where it is lost, those that pull ask for their places again. Times are epoch ms.
 */
export class PullPlaces {
  /** Until when who has a place has it. */
  readonly #until = new Map<string, number>();

  /** A place for the mirror of this name, or the one that it has, for a while; false where there is none. `concurrency`: how many calls the origin is to see at once. */
  take(name: string, concurrency: number, now: number): boolean {
    for (const [other, until] of this.#until) if (until <= now) this.#until.delete(other);
    const most = Math.max(1, Math.floor(concurrency / CALLS));
    if (!this.#until.has(name) && this.#until.size >= most) return false;
    this.#until.set(name, now + LEASE_MS);
    return true;
  }

  /** It does not pull, or not any more. */
  leave(name: string): void {
    this.#until.delete(name);
  }
}
