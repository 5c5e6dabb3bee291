import { isObject } from "../mcp/isObject.ts";
import type { NoResult, OwnCalls } from "../origin/OwnCalls.ts";
import { noPage } from "./noPage.ts";
import type { NoPage } from "./Source.ts";

/** A page of a list of resources or of their templates. */
export interface ListPage {
  /** The JSON-RPC response as it came, and its result. */
  text: string;
  result: Record<string, unknown>;
  /** The resources, each once. */
  uris: readonly string[];
  /** The cursor of the next page. */
  next: string | undefined;
}

/** A cursor is held for as long as a pull takes. */
const MAX_CURSOR = 16_384;

/** The lists of an origin's resources, page by page. The last one is held, for those who read what is on it bit by bit. */
export class Listed {
  readonly #calls: OwnCalls;
  #last: { name: string; page: ListPage } | undefined;

  constructor(calls: OwnCalls) {
    this.#calls = calls;
  }

  /** A page; with `isKnown` the one that was given last, if it is that. */
  async page(
    method: "resources/list" | "resources/templates/list",
    cursor: string | undefined,
    isKnown = false,
  ): Promise<ListPage | NoPage | { isUnknown: true }> {
    const name = JSON.stringify([method, cursor]);
    if (isKnown && this.#last?.name === name) return this.#last.page;
    const answer = await this.#calls.ask(method, cursor === undefined ? {} : { cursor });
    if ("error" in answer && answer.error === METHOD_NOT_FOUND) return { isUnknown: true };
    const page = pageIn(answer, method);
    if ("uris" in page) this.#last = { name, page };
    return page;
  }
}

const METHOD_NOT_FOUND = -32601;

function pageIn(
  answer: { result: Record<string, unknown>; text: string } | NoResult,
  method: string,
): ListPage | NoPage {
  if (!("result" in answer)) return noPage(answer, method);
  const { result, text } = answer;
  const name = method === "resources/list" ? "resources" : "resourceTemplates";
  const { [name]: listed, nextCursor } = result;
  if (!Array.isArray(listed)) return noPage({ bad: `it has no array of ${name}` }, method);
  if (nextCursor !== undefined && nextCursor !== null && typeof nextCursor !== "string") {
    return noPage({ bad: "its nextCursor is no string" }, method);
  }
  if ((nextCursor ?? "").length > MAX_CURSOR) {
    return noPage({ bad: `its nextCursor has over ${MAX_CURSOR} characters` }, method);
  }
  const uris = listed.flatMap((one: unknown) => (isObject(one) && typeof one["uri"] === "string" ? [one["uri"]] : []));
  return { text, result, uris: [...new Set(uris)], next: nextCursor || undefined };
}
