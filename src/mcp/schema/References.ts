import { unescaped } from "../pointer.ts";
import { isObject } from "../isObject.ts";

/** Finds what references in a schema lead to: places of the same document (`#`, `#/$defs/x`), and nothing else. */
export class References {
  readonly #root: unknown;
  readonly #found = new Map<string, unknown>();

  constructor(root: unknown) {
    this.#root = root;
  }

  /** The schema at the place; `undefined` where the reference leads elsewhere, or nowhere. */
  find(reference: unknown): unknown {
    if (typeof reference !== "string" || !/^#(?:\/|$)/.test(reference)) return undefined;
    if (!this.#found.has(reference)) this.#found.set(reference, this.#walk(reference));
    return this.#found.get(reference);
  }

  #walk(reference: string): unknown {
    let parts: string[];
    try {
      parts = decodeURIComponent(reference).split("/").slice(1);
    } catch {
      return undefined;
    }
    let at: unknown = this.#root;
    for (const part of parts) {
      if (at === null || typeof at !== "object") return undefined;
      // Within a schema that has an address of its own, a place means another document.
      if (at !== this.#root && isObject(at) && Object.hasOwn(at, "$id")) return undefined;
      const key = unescaped(part);
      if (!Object.hasOwn(at, key)) return undefined;
      at = (at as Record<string, unknown>)[key];
    }
    return at;
  }
}
