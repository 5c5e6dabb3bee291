import type { ToolFacts } from "./toolFacts.ts";

/** What is known of an origin's tools, from the pages of `tools/list` that went by. */
export class Catalogue {
  readonly #tools = new Map<string, ToolFacts>();
  /** When it was last read in full, or tried to be; epoch ms. */
  readAt = 0;
  /** Whether it was ever read in full. */
  complete = false;

  get(tool: string): ToolFacts | undefined {
    return this.#tools.get(tool);
  }

  /** Takes in the tools of a page. */
  learn(facts: Iterable<readonly [string, ToolFacts]>): void {
    for (const [name, fact] of facts) this.#tools.set(name, fact);
  }

  /** Forgets everything, for instance when the origin says that callers go by an old list. */
  clear(): void {
    this.#tools.clear();
    this.readAt = 0;
    this.complete = false;
  }
}
