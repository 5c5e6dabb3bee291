/**
 * Reads server-sent events as they arrive, and gives the data of each (WHATWG HTML, 9.2.6). Comments, ids and retry
 * times are passed over.
 */
export class SseReader {
  #pending = "";
  #data: string[] = [];

  /** The characters that are held because their event is not complete. */
  get held(): number {
    return this.#pending.length + this.#data.reduce((sum, line) => sum + line.length, 0);
  }

  /** Takes the next piece of text; yields the data of every event that it completes. */
  *push(text: string): Generator<string> {
    this.#pending += text;
    let from = 0;
    for (;;) {
      const match = this.#nextBreak(from);
      if (match < 0) break;
      const line = this.#pending.slice(from, match);
      // CR, LF and CRLF all end a line.
      from = match + (this.#pending[match] === "\r" && this.#pending[match + 1] === "\n" ? 2 : 1);
      if (line === "") {
        if (this.#data.length > 0) yield this.#data.join("\n");
        this.#data = [];
      } else if (line.startsWith("data:")) this.#data.push(line.slice(line[5] === " " ? 6 : 5));
      else if (line === "data") this.#data.push("");
    }
    this.#pending = this.#pending.slice(from);
  }

  /** The next line break from `from`; a CR at the very end is not one yet, for its LF may follow. */
  #nextBreak(from: number): number {
    const lf = this.#pending.indexOf("\n", from);
    const cr = this.#pending.indexOf("\r", from);
    const first = lf < 0 ? cr : cr < 0 ? lf : Math.min(lf, cr);
    return first === this.#pending.length - 1 && this.#pending[first] === "\r" ? -1 : first;
  }
}
