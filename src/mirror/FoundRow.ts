import type { ReadRow } from "./ask.ts";

/** A row as it was read. */
export class FoundRow {
  readonly key: string;
  /** Its JSON, as it is stored. */
  readonly body: string;
  /** The resource that it came from. */
  readonly uri: string | null;
  #value: unknown;
  #isParsed = false;

  constructor(key: string, body: string, uri: string | null) {
    this.key = key;
    this.body = body;
    this.uri = uri;
  }

  /** What its JSON says: parsed once, and only where somebody asks for a member. */
  get value(): unknown {
    if (!this.#isParsed) this.#value = JSON.parse(this.body);
    this.#isParsed = true;
    return this.#value;
  }
}

/** Rows as they were read; `undefined` where they are too large to be read at once. */
export function foundRows(rows: readonly ReadRow[]): FoundRow[] | undefined {
  const found: FoundRow[] = [];
  for (const { key, body, uri } of rows) {
    if (body === null) return undefined;
    found.push(new FoundRow(key, body, uri));
  }
  return found;
}
