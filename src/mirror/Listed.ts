import { isObject } from "../mcp/isObject.ts";
import { CODE } from "../mcp/names.ts";
import type { OwnAnswer, OwnCalls } from "../origin/OwnCalls.ts";
import { noPage } from "./noPage.ts";
import type { NoPage } from "./Source.ts";

/** The lists of resources: the member of the result that is the list, and what its pages are called in the mirror. */
export const LISTS = {
  "resources/list": { member: "resources", key: "list" },
  "resources/templates/list": { member: "resourceTemplates", key: "templates" },
} as const;

type ListMethod = keyof typeof LISTS;

/** What is on a page of such a list. */
export interface OnPage {
  /** The resources, each once. */
  uris: readonly string[];
  /** The cursor of the next page. */
  next: string | undefined;
}

/** A page of such a list: the JSON-RPC response as it came, and its result. */
export interface ListPage extends OnPage {
  text: string;
  result: Record<string, unknown>;
}

/** Why there is none: the origin has no such list, or what it said. */
export type NoList = NoPage | { isUnknown: true };

/** A cursor is held for as long as a pull takes. */
const MAX_CURSOR = 16_384;

/** The lists of an origin's resources, page by page. What is on the last one is held, for those who read it bit by bit. */
export class Listed {
  readonly #calls: OwnCalls;
  #last: { name: string; on: OnPage } | undefined;

  constructor(calls: OwnCalls) {
    this.#calls = calls;
  }

  /** A page as the origin gives it now. */
  async page(method: ListMethod, cursor: string | undefined): Promise<ListPage | NoList> {
    const answer = await this.#calls.ask(method, cursor === undefined ? {} : { cursor });
    if ("error" in answer && answer.error === CODE.methodNotFound) return { isUnknown: true };
    const page = pageIn(answer, method);
    if ("uris" in page) this.#last = { name: nameOf(method, cursor), on: { uris: page.uris, next: page.next } };
    return page;
  }

  /** What is on a page that has been begun: where it was the last, as it was then. */
  async rest(method: ListMethod, cursor: string | undefined): Promise<OnPage | NoList> {
    return this.#last?.name === nameOf(method, cursor) ? this.#last.on : this.page(method, cursor);
  }
}

function nameOf(method: ListMethod, cursor: string | undefined): string {
  return JSON.stringify([method, cursor]);
}

function pageIn(answer: OwnAnswer, method: ListMethod): ListPage | NoPage {
  if (!("result" in answer)) return noPage(answer, method);
  const { result, text } = answer;
  const { member } = LISTS[method];
  const { [member]: listed, nextCursor } = result;
  if (!Array.isArray(listed)) return noPage({ bad: `it has no array of ${member}` }, method);
  if (nextCursor !== undefined && nextCursor !== null && typeof nextCursor !== "string") {
    return noPage({ bad: "its nextCursor is no string" }, method);
  }
  if ((nextCursor ?? "").length > MAX_CURSOR) {
    return noPage({ bad: `its nextCursor has over ${MAX_CURSOR} characters` }, method);
  }
  const uris = listed.flatMap((one: unknown) => (isObject(one) && typeof one["uri"] === "string" ? [one["uri"]] : []));
  return { text, result, uris: [...new Set(uris)], next: nextCursor || undefined };
}
