import { listTag, resourceTag } from "../cache/implicitTags.ts";
import type { ListName } from "../mcp/change.ts";
import { CoverRow } from "./CoverRow.ts";
import type { How } from "./Feed.ts";
import type { Covers } from "./Upstream.ts";

/** What coverage needs. The clock is passed in. */
export interface CoverageTools {
  sql: SqlStorage;
  invalidate: (tags: readonly string[], how: How) => void;
  /** Epoch ms. */
  now: () => number;
}

const LISTS: readonly ListName[] = ["tools", "prompts", "resources"];
const RESOURCE = "resource ";

/** What an origin is relied on to tell of, and since when. What it covered while it did not tell is invalidated when it tells again. */
export class Coverage {
  readonly #tools: CoverageTools;
  readonly #row: CoverRow;
  /** What is relied on to be told of. Outlives the object. */
  #covers: Covers | undefined;
  /** Since when, of each; epoch ms. */
  #since = new Map<string, number>();
  #isLive = false;

  constructor(tools: CoverageTools) {
    this.#tools = tools;
    this.#row = new CoverRow(tools.sql);
    this.#covers = this.#row.read();
  }

  /** Whether it is told of now. */
  get isLive(): boolean {
    return this.#isLive;
  }

  /** What is told of now: the lists by name, and how many resources. */
  shown(): { lists: string[]; uris: number } {
    const { lists, uris } = this.#isLive && this.#covers ? this.#covers : { lists: [], uris: [] };
    return { lists, uris: uris.length };
  }

  /** Since when all lists and these resources are told of, as far as any is; epoch ms. */
  since(uris: readonly string[]): number {
    let since = 0;
    for (const name of [...LISTS, ...uris.map((uri) => RESOURCE + uri)])
      since = Math.max(since, this.#since.get(name) ?? 0);
    return since;
  }

  /** The origin tells of this from now on. */
  gain(covers: Covers): void {
    // Nobody says what changed while nobody listened.
    if (!this.#isLive) this.doubt();
    const now = this.#tools.now();
    const before = this.#isLive ? this.#since : undefined;
    this.#since = new Map(namesOf(covers).map((name) => [name, before?.get(name) ?? now]));
    this.#covers = covers;
    this.#row.write(covers);
    this.#isLive = true;
  }

  /** The origin does not tell of it now. */
  lose(): void {
    this.#isLive = false;
  }

  /** What was relied on is relied on no more: it may have changed since. */
  doubt(): void {
    if (!this.#covers) return;
    const { lists, uris } = this.#covers;
    this.#covers = undefined;
    this.#isLive = false;
    this.#row.clear();
    this.#tools.invalidate([...lists.map(listTag), ...uris.map(resourceTag)], {});
  }
}

function namesOf({ lists, uris }: Covers): string[] {
  return [...lists, ...uris.map((uri) => RESOURCE + uri)];
}
