import type { ToolFacts } from "./toolFacts.ts";

const MAX_TOOLS = 50_000;

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

  /**
   * Takes in the tools of a page. Tools that left the list stay: callers may be shown different lists, and what is
   * known of a tool that is gone hurts nobody.
   */
  learn(facts: Iterable<readonly [string, ToolFacts]>): void {
    // An origin that makes up names without end starts it afresh.
    if (this.#tools.size > MAX_TOOLS) this.#tools.clear();
    for (const [name, fact] of facts) this.#tools.set(name, fact);
  }
}
