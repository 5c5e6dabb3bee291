/**
 * Reads server-sent events as they arrive, and gives the data of each (WHATWG HTML, 9.2.6). Comments and retry times are
 * passed over, and of ids only that there are some. Each character is looked at once, however small the pieces in which a line comes.
 */
export class SseReader {
  /** The pieces of a line that has not ended. */
  #line: string[] = [];
  #data: string[] = [];
  #held = 0;
  /** Whether the text so far ended with a CR, so that an LF that follows belongs to it. */
  #afterCr = false;
  #hasIds = false;
  #complete = 0;

  /** Whether events have ids, so that the stream may be taken up again from one of them. */
  get hasIds(): boolean {
    return this.#hasIds;
  }

  /** The characters that are held because their event is not complete. */
  get held(): number {
    return this.#held;
  }

  /** Up to where in the piece that was taken last all is complete: what follows is part of an event that goes on. */
  get complete(): number {
    return this.#complete;
  }

  /** Takes the next piece of text; yields the data of every event that it completes. */
  *push(text: string): Generator<string> {
    this.#complete = 0;
    if (text === "") return;
    let from = this.#afterCr && text.startsWith("\n") ? 1 : 0;
    this.#afterCr = text.endsWith("\r");
    // CR, LF and CRLF all end a line.
    const lineEnd = /\r\n?|\n/g;
    lineEnd.lastIndex = from;
    for (let match = lineEnd.exec(text); match; match = lineEnd.exec(text)) {
      this.#hold(text.slice(from, match.index));
      from = lineEnd.lastIndex;
      yield* this.#endLine();
      if (this.#held === 0) this.#complete = from;
    }
    this.#hold(text.slice(from));
  }

  #hold(piece: string): void {
    if (piece === "") return;
    this.#line.push(piece);
    this.#held += piece.length;
  }

  *#endLine(): Generator<string> {
    const line = this.#line.join("");
    this.#line = [];
    this.#held -= line.length;
    if (line === "") {
      const data = this.#data;
      this.#data = [];
      this.#held = 0;
      if (data.length > 0) yield data.join("\n");
      return;
    }
    if (line.startsWith("id:")) this.#hasIds = true;
    if (!line.startsWith("data:") && line !== "data") return;
    const value = line.slice(line[5] === " " ? 6 : 5);
    this.#data.push(value);
    // Each line takes room, an empty one too.
    this.#held += value.length + 1;
  }
}
