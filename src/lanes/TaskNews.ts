import { ORIGIN_TAG } from "../cache/implicitTags.ts";
import { detailedTask, statusOfTask, type TaskFacts } from "../mcp/task.ts";
import { operationTag } from "../outbox/operationId.ts";
import type { Word } from "../sync/ChangeLog.ts";
import type { Exchange } from "./Exchange.ts";
import { factsOf, operationOf, termsOf } from "./operationOf.ts";

/** What could not be looked up is left alone for so long, and twice as long each time: there are many listeners. */
const REST_MS = 1_000;
const MAX_REST_MS = 30_000;

/**
 * The tasks that a listener has named, and which of them are to be looked at: how one stands is told once, and to nobody
 * but whose it is.
 */
export class TaskNews {
  readonly #x: Exchange;
  readonly #ids: ReadonlyMap<string, string>;
  /** What was last told of each. */
  readonly #told = new Map<string, { updatedAt: number; state: TaskFacts["state"] }>();
  readonly #due: Set<string>;
  #restsUntil = 0;
  /** How often in a row something could not be looked up. */
  #failures = 0;

  /** All are looked at first: one may have come to its end before anybody listened. */
  constructor(x: Exchange, ids: ReadonlySet<string>) {
    this.#x = x;
    this.#ids = new Map([...ids].map((id) => [operationTag(id), id]));
    this.#due = new Set(ids);
  }

  /** How many are to be looked at now. */
  get due(): number {
    return this.#x.now() < this.#restsUntil ? 0 : this.#due.size;
  }

  /** Takes in a word of the feed. */
  heard({ kind, tag }: Pick<Word, "kind" | "tag">): void {
    const id = this.#ids.get(tag);
    if (id !== undefined) this.#due.add(id);
    // Anything may have happened that nobody tells of any more.
    else if (kind === "doubted" && tag === ORIGIN_TAG) for (const one of this.#ids.values()) this.#due.add(one);
  }

  /** Looks at those that are due. The JSON of each task of which there is something to tell. */
  async look(): Promise<string[]> {
    const ids = [...this.#due];
    this.#due.clear();
    const told = await Promise.all(ids.map((id) => this.#lookAt(id)));
    if (told.every((one) => one !== undefined)) this.#failures = 0;
    else this.#restsUntil = this.#x.now() + Math.min(MAX_REST_MS, REST_MS * 2 ** this.#failures++);
    return told.flatMap((one) => one ?? []);
  }

  /** `undefined`: it could not be looked up. */
  async #lookAt(id: string): Promise<string[] | undefined> {
    const looked = await operationOf(this.#x, id);
    if (looked.kind === "unavailable") {
      this.#due.add(id);
      return undefined;
    }
    if (looked.kind !== "found") return [];
    const { updatedAt, state } = looked.view;
    const before = this.#told.get(id);
    // Looks overtake each other.
    if (before && (updatedAt < before.updatedAt || (updatedAt === before.updatedAt && state === before.state)))
      return [];
    this.#told.set(id, { updatedAt, state });
    const facts = factsOf(this.#x, looked.view, "modern");
    // Who has just been given a task knows that it goes on.
    if (!before && statusOfTask(facts) === "working") return [];
    return [detailedTask(facts, this.#x.now(), termsOf(this.#x))];
  }
}
