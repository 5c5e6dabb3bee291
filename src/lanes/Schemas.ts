import type { Entry } from "../cache/entry.ts";
import { inputSchemas, type SchemaPage } from "../mcp/inputSchemas.ts";

/** A page of more characters than these is not read: its schemas would take more memory than they are worth. */
const MAX_PAGE = 1_048_576;
/** The characters of all pages together that are held parsed. */
const MAX_HELD = 4 * MAX_PAGE;

/** The input schemas in stored pages of `tools/list`, parsed when somebody first needs them. Bounded: the page that was used least lately goes first. */
export class Schemas {
  readonly #pages = new Map<string, { body: string; page: SchemaPage }>();
  #held = 0;

  /** What a stored page says of arguments; `undefined` where it is too large. */
  of({ hash, body }: Pick<Entry, "hash" | "body">): SchemaPage | undefined {
    const known = this.#pages.get(hash);
    if (known?.body === body) {
      this.#pages.delete(hash);
      this.#pages.set(hash, known);
      return known.page;
    }
    if (body.length > MAX_PAGE) return undefined;
    const page = inputSchemas(JSON.parse(`{${body}}`));
    if (known) this.#drop(hash, known.body);
    this.#pages.set(hash, { body, page });
    this.#held += body.length;
    for (const [oldest, { body }] of this.#pages) {
      if (this.#held <= MAX_HELD) break;
      this.#drop(oldest, body);
    }
    return page;
  }

  #drop(hash: string, body: string): void {
    this.#pages.delete(hash);
    this.#held -= body.length;
  }
}
