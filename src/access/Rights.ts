import { matches } from "../config/pattern.ts";
import type { ListName } from "../mcp/change.ts";
import { hasControl, isDevious } from "./isDevious.ts";

/** Patterns of what may be used, by kind. */
export type Granted = Readonly<Record<ListName, readonly string[]>>;

/** Scopes that would give a caller more rights. */
export interface Offer {
  scopes: readonly string[];
  rights: Pick<Rights, "may">;
}

/** What a caller may use, of one origin. Whatever is not granted may not be used. Pure. */
export class Rights {
  /** Names them: rights of one id are the same. */
  readonly id: string;
  readonly #names: Readonly<Record<ListName, Names>>;
  readonly #offers: readonly Offer[];

  /** `offers` are the scopes that the caller has not all been granted, and what they would add. */
  constructor(id: string, { tools, resources, prompts }: Granted, offers: readonly Offer[] = []) {
    this.id = id;
    this.#names = {
      tools: new Names(tools, hasControl),
      resources: new Names(resources, isDevious),
      prompts: new Names(prompts, hasControl),
    };
    this.#offers = offers;
  }

  /** Whether the tool, resource or prompt of this name may be used. Of resources the URI is taken as it is written. */
  may(kind: ListName, name: string): boolean {
    return this.#names[kind].has(name);
  }

  /** Whether anything of a kind may be used. */
  mayAny(kind: ListName): boolean {
    return !this.#names[kind].isEmpty;
  }

  /** Whether all of every kind may be used. */
  get isWhole(): boolean {
    return this.#names.tools.isWhole && this.#names.resources.isWhole && this.#names.prompts.isWhole;
  }

  /** The scopes with which it might be used; `undefined` where none are known. */
  scopesFor(kind: ListName, name: string): readonly string[] | undefined {
    return this.#offers.find(({ rights }) => rights.may(kind, name))?.scopes;
  }
}

/** What is remembered of longer names would take too much room. */
const MAX_REMEMBERED_LENGTH = 256;
const MAX_REMEMBERED = 1_000;

/** A set of names that is given by names and patterns. */
class Names {
  readonly isWhole: boolean;
  readonly #exact: ReadonlySet<string>;
  readonly #patterns: readonly string[];
  readonly #isExcluded: (name: string) => boolean;
  /** Whether names that were asked for are in it. */
  readonly #remembered = new Map<string, boolean>();

  /** What is `isExcluded` no pattern matches but the one for all. */
  constructor(granted: readonly string[], isExcluded: (name: string) => boolean) {
    this.isWhole = granted.includes("*");
    this.#exact = new Set(granted.filter((one) => !one.includes("*")));
    this.#patterns = granted.filter((one) => one.includes("*"));
    this.#isExcluded = isExcluded;
  }

  get isEmpty(): boolean {
    return this.#exact.size === 0 && this.#patterns.length === 0;
  }

  has(name: string): boolean {
    if (this.isWhole || this.#exact.has(name)) return true;
    if (this.#patterns.length === 0) return false;
    const known = this.#remembered.get(name);
    if (known !== undefined) return known;
    const found = this.#patterns.some((pattern) => matches(pattern, name)) && !this.#isExcluded(name);
    if (name.length <= MAX_REMEMBERED_LENGTH) {
      if (this.#remembered.size >= MAX_REMEMBERED) this.#remembered.clear();
      this.#remembered.set(name, found);
    }
    return found;
  }
}
