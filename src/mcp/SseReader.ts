/**
 * Reads server-sent events as they arrive, and gives the data of each (WHATWG HTML, 9.2.6). Comments are passed over. Each
 * character is looked at once, however small the pieces in which a line comes.
 */
export class SseReader {
  /** The pieces of a line that has not ended. */
  #line: string[] = [];
  #data: string[] = [];
  #held = 0;
  /** Whether the text so far ended with a CR, so that an LF that follows belongs to it. */
  #afterCr = false;
  #hasIds = false;
  #id: string | undefined;
  #lastId: string | undefined;
  #retryMs: number | undefined;
  #complete = 0;

  /** Whether events have ids, so that the stream may be taken up again from one of them. */
  get hasIds(): boolean {
    return this.#hasIds;
  }

  /** The id of the last event that was complete, from which the stream may be taken up again. */
  get lastId(): string | undefined {
    return this.#lastId;
  }

  /** How long the sender wants to be left alone before that; `NaN` where nobody can tell. */
  get retryMs(): number | undefined {
    return this.#retryMs;
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
      this.#lastId = this.#id;
      if (data.length > 0) yield data.join("\n");
      return;
    }
    if (line.startsWith("id:")) {
      this.#hasIds = true;
      this.#id = valueOf(line);
    } else if (line.startsWith("retry:")) this.#retryMs = Number(valueOf(line));
    if (!line.startsWith("data:") && line !== "data") return;
    const value = valueOf(line);
    this.#data.push(value);
    // Each line takes room, an empty one too.
    this.#held += value.length + 1;
  }
}

/** The value of a field: what follows the colon, but for one blank. */
function valueOf(line: string): string {
  const at = line.indexOf(":") + 1;
  return at === 0 ? "" : line.slice(line[at] === " " ? at + 1 : at);
}
