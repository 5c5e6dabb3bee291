import { matches } from "../config/pattern.ts";
import type { OwnCalls } from "../origin/OwnCalls.ts";
import { fourAtOnce } from "./fourAtOnce.ts";
import type { Listed, ListPage } from "./Listed.ts";
import { mirroredRead } from "./mirroredRead.ts";
import { neutralBody } from "./neutralBody.ts";
import { nextReads } from "./nextReads.ts";
import { noPage } from "./noPage.ts";
import type { MirroredResult, NoPage, Page, Skipped } from "./Source.ts";

/** Where a pull is: on the nth page of a list, which `list` is the cursor of, after the resource named. */
interface Place {
  of: "resources/list" | "resources/templates/list";
  nth: number;
  list?: string;
  after?: string;
}

type PageRows = Omit<Page, "requests">;

/** The pages of a pull of an origin's resources: each page of the list with what it lists and the patterns name, and then those of the templates. */
export class MirroredPages {
  readonly #calls: OwnCalls;
  readonly #listed: Listed;
  readonly #patterns: readonly string[];
  /** Which page each cursor of a list led to: where one comes again, so does that page's cursor here, and is found to go round in circles. */
  readonly #places = new Map<string, number>();

  constructor(calls: OwnCalls, listed: Listed, patterns: readonly string[]) {
    this.#calls = calls;
    this.#listed = listed;
    this.#patterns = patterns;
  }

  /** A page; the first without a cursor. */
  async page(cursor: string | undefined): Promise<PageRows | NoPage> {
    if (cursor === undefined) this.#places.clear();
    const place = (cursor === undefined ? { of: "resources/list", nth: 0 } : JSON.parse(cursor)) as Place;
    const page = await this.#listed.page(place.of, place.list, place.after !== undefined);
    if ("isUnknown" in page) return this.#without(place);
    if (!("uris" in page)) return page;
    const rows: MirroredResult[] = [];
    if (place.after === undefined) {
      const body = neutralBody(page.text, page.result, "nextCursor");
      if (body === undefined) return noPage({ bad: "it must not be kept, or has a member twice" }, place.of);
      rows.push({ key: `${place.of === "resources/list" ? "list" : "templates"}:${place.nth}`, body });
    }
    const wanted = page.uris.filter((uri) => this.#patterns.some((pattern) => matches(pattern, uri)));
    const { uris, after } = nextReads(wanted, place.after);
    const skipped: Skipped[] = [];
    for (const read of await fourAtOnce(uris, (uri) => mirroredRead(this.#calls, uri))) {
      if ("failure" in read) return read;
      if ("why" in read) skipped.push(read);
      else if ("key" in read) rows.push(read);
    }
    const next = after === undefined ? this.#after(place, page) : { ...place, after };
    return { rows, ...(next && { next: JSON.stringify(next) }), ...(skipped.length > 0 && { skipped }) };
  }

  /** Where the pull goes on after a page of a list. */
  #after({ of, nth }: Place, { next: list }: ListPage): Place | undefined {
    if (list === undefined) return of === "resources/list" ? { of: "resources/templates/list", nth: 0 } : undefined;
    const name = JSON.stringify([of, list]);
    const place = this.#places.get(name) ?? nth + 1;
    this.#places.set(name, place);
    return { of, nth: place, list };
  }

  /** An origin need not have templates. */
  #without({ of }: Place): PageRows | NoPage {
    return of === "resources/list" ? noPage({ bad: "it has no such method" }, of) : { rows: [] };
  }
}
