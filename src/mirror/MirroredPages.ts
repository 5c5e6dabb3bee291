import { matches } from "../config/pattern.ts";
import type { OwnCalls } from "../origin/OwnCalls.ts";
import { fewAtOnce } from "./fewAtOnce.ts";
import { listBodies } from "./listBodies.ts";
import { type Listed, LISTS, type ListPage, type OnPage } from "./Listed.ts";
import { mirroredRead } from "./mirroredRead.ts";
import { neutralBody } from "./neutralBody.ts";
import { nextReads } from "./nextReads.ts";
import { noPage } from "./noPage.ts";
import type { MirroredResult, NoPage, Page, Skipped } from "./Source.ts";

/** Where a pull is: on the page of a list that `list` is the cursor of, which the mirror has as its nth and those up to `to`; after the resource named. */
interface Place {
  of: keyof typeof LISTS;
  nth: number;
  to?: number;
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
    const isBegun = place.after !== undefined;
    const page = await this.#listed[isBegun ? "rest" : "page"](place.of, place.list);
    if ("isUnknown" in page) return this.#without(place);
    if (!("uris" in page)) return page;
    const rows: MirroredResult[] = [];
    if (!isBegun) {
      const parts = partsOf(page as ListPage, place.of);
      if (!parts) return noPage({ bad: "it must not be kept, or has a member twice" }, place.of);
      for (const body of parts) rows.push({ key: `${LISTS[place.of].key}:${place.nth + rows.length}`, body });
    }
    const to = place.to ?? place.nth + rows.length;
    const wanted = page.uris.filter((uri) => this.#patterns.some((pattern) => matches(pattern, uri)));
    const { uris, after } = nextReads(wanted, place.after);
    const skipped: Skipped[] = [];
    for (const read of await fewAtOnce(uris, this.#calls.atOnce, (uri) => mirroredRead(this.#calls, uri))) {
      if ("failure" in read) return read;
      if ("why" in read) skipped.push(read);
      else if ("key" in read) rows.push(read);
    }
    const next = after === undefined ? this.#after(place.of, to, page) : { ...place, to, after };
    return { rows, ...(next && { next: JSON.stringify(next) }), ...(skipped.length > 0 && { skipped }) };
  }

  /** Where the pull goes on after a page of a list, when the mirror has so many pages of it. */
  #after(of: Place["of"], pages: number, { next: list }: OnPage): Place | undefined {
    if (list === undefined) return of === "resources/list" ? { of: "resources/templates/list", nth: 0 } : undefined;
    const name = JSON.stringify([of, list]);
    const nth = this.#places.get(name) ?? pages;
    this.#places.set(name, nth);
    return { of, nth, list };
  }

  /** An origin need not have templates. */
  #without({ of }: Place): PageRows | NoPage {
    return of === "resources/list" ? noPage({ bad: "it has no such method" }, of) : { rows: [] };
  }
}

/** A page of a list as the mirror has it: in parts, where it is long; `undefined` where it must not be kept. */
function partsOf({ text, result }: ListPage, of: Place["of"]): string[] | undefined {
  const body = neutralBody(text, result, "nextCursor");
  return body === undefined ? undefined : listBodies(body, LISTS[of].member);
}
