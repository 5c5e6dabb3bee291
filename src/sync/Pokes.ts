import type { MirrorPlace, Mirrors } from "./Mirrors.ts";

/** What having mirrors look needs. */
export interface PokeTools {
  mirrors: Pick<Mirrors, "concerned">;
  /** Has one look. */
  look: (place: MirrorPlace) => Promise<unknown>;
  waitUntil: (work: Promise<unknown>) => void;
  /** Gets what a call of one throws: it finds out when it looks by itself. */
  failed: (error: unknown) => void;
}

/** Has the mirrors of an origin look that an invalidation concerns. */
export class Pokes {
  readonly #tools: PokeTools;
  /** The names of those that are about to be told. */
  readonly #due = new Set<string>();

  constructor(tools: PokeTools) {
    this.#tools = tools;
  }

  /** These tags were invalidated. */
  poke(tags: readonly string[]): void {
    for (const place of this.#tools.mirrors.concerned(tags)) {
      const { name } = place;
      // It looks but once at what comes together.
      if (this.#due.has(name)) continue;
      this.#due.add(name);
      this.#tools.waitUntil(this.#tell(place));
    }
  }

  async #tell(place: MirrorPlace): Promise<void> {
    // What comes after this it has to be told of again; what is invalidated before the call, it sees.
    await Promise.resolve();
    this.#due.delete(place.name);
    try {
      await this.#tools.look(place);
    } catch (error) {
      this.#tools.failed(error);
    }
  }
}
