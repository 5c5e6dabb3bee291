/** A text that was said to be UTF-8 and is not. */
export class NotUtf8 extends Error {}

/** Decodes UTF-8 piece by piece, and takes nothing else: what is replaced on reading is not what was sent. */
export class Utf8 {
  readonly #decoder: TextDecoder;

  /** `keepsMark` says that a byte order mark is text as well. */
  constructor(keepsMark = false) {
    this.#decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: keepsMark });
  }

  decode(bytes: Uint8Array): string {
    return this.#strictly(() => this.#decoder.decode(bytes, { stream: true }));
  }

  /** The rest, where the bytes end. */
  end(): string {
    return this.#strictly(() => this.#decoder.decode());
  }

  #strictly(decode: () => string): string {
    try {
      return decode();
    } catch {
      throw new NotUtf8("not UTF-8");
    }
  }
}
