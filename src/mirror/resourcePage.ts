import { matches } from "../config/pattern.ts";
import type { OwnCalls } from "../origin/OwnCalls.ts";
import { fewAtOnce } from "./fewAtOnce.ts";
import type { Listed } from "./Listed.ts";
import { nextReads } from "./nextReads.ts";
import { noPage } from "./noPage.ts";
import { resourceRow } from "./resourceRow.ts";
import type { NoPage, One, Page } from "./Source.ts";

/** Where a pull is: on the page of the list that `list` is the cursor of, after the resource named. */
interface Place {
  list?: string;
  after?: string;
}

/** Pages of the list without a resource that matches are passed over, so many at once. */
const MAX_LISTS = 20;

/** A page of listed resources that match the pattern: what is read at once of a page of the list. Those that are not there are left out. */
export async function resourcePage(
  calls: OwnCalls,
  listed: Listed,
  pattern: string,
  cursor: string | undefined,
): Promise<Omit<Page, "requests"> | NoPage> {
  let place = (cursor === undefined ? {} : JSON.parse(cursor)) as Place;
  for (let lists = 0; lists < MAX_LISTS; lists++) {
    const page = await listed[place.after === undefined ? "page" : "rest"]("resources/list", place.list);
    if ("isUnknown" in page) return noPage({ bad: "it has no such method" }, "resources/list");
    if (!("uris" in page)) return page;
    const wanted = page.uris.filter((uri) => matches(pattern, uri));
    const { uris, after } = nextReads(wanted, place.after);
    const next: Place | undefined =
      after !== undefined ? { ...place, after } : page.next === undefined ? undefined : { list: page.next };
    if (uris.length > 0 || !next) {
      const rows = rowsOf(await fewAtOnce(uris, calls.atOnce, (uri) => resourceRow(calls, uri)));
      return "rows" in rows && next ? { ...rows, next: JSON.stringify(next) } : rows;
    }
    place = next;
  }
  return { rows: [], uris: [], next: JSON.stringify(place) };
}

/** The rows that were read, without those that are not there; or why one could not be read. */
export function rowsOf(read: readonly (One | NoPage)[]): Pick<Page, "rows" | "uris"> | NoPage {
  const rows: unknown[] = [];
  const uris: string[] = [];
  for (const one of read) {
    if ("gone" in one) continue;
    if (!("row" in one)) return one;
    rows.push(one.row);
    uris.push(one.uri!);
  }
  return { rows, uris };
}
