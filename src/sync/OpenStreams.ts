/** A stream that has not been heard of for this long is gone, though nobody said so: isolates may drop requests without a word. */
const SILENT_MS = 60_000;

/** The listeners' streams that an isolate has open: so many, and no more, and of one listener a share. Times are epoch ms. */
export class OpenStreams {
  readonly #limit: number;
  readonly #share: number;
  readonly #heardAt = new Map<number, { at: number; listener: string | undefined }>();
  #last = 0;

  constructor(limit = 1_000, share = 250) {
    this.#limit = limit;
    this.#share = share;
  }

  get size(): number {
    return this.#heardAt.size;
  }

  /** Takes in a stream, and gives its number; `undefined` where there is no room. Who has no name has no share. */
  open(now: number, listener?: string): number | undefined {
    if (!this.#hasRoom(listener)) {
      for (const [stream, { at }] of this.#heardAt) if (now - at > SILENT_MS) this.#heardAt.delete(stream);
      if (!this.#hasRoom(listener)) return undefined;
    }
    this.#heardAt.set(++this.#last, { at: now, listener });
    return this.#last;
  }

  #hasRoom(listener: string | undefined): boolean {
    if (this.size >= this.#limit || listener === undefined) return this.size < this.#limit;
    let own = 0;
    for (const one of this.#heardAt.values()) if (one.listener === listener) own++;
    return own < this.#share;
  }

  /** Notes that a stream is still there. */
  heard(stream: number, now: number): void {
    this.#heardAt.set(stream, { at: now, listener: this.#heardAt.get(stream)?.listener });
  }

  close(stream: number): void {
    this.#heardAt.delete(stream);
  }
}
