import { isObject } from "../mcp/isObject.ts";
import { CODE } from "../mcp/names.ts";
import type { OwnCalls } from "../origin/OwnCalls.ts";
import { NOT_HELD, valueIn } from "./answeredIn.ts";
import { isHeld } from "./isHeld.ts";
import { isNoStore } from "./isNoStore.ts";
import { noPage } from "./noPage.ts";
import { MAX_BODY_BYTES } from "./rowOf.ts";
import type { NoPage, One } from "./Source.ts";

/** Of a URI, in what is said of it. */
const MAX_SHOWN = 200;

/** The row that a resource is: the JSON of its only content, or `null` where it is none. */
export async function resourceRow(calls: OwnCalls, uri: string): Promise<One | NoPage> {
  const answer = await calls.ask("resources/read", { uri });
  if ("error" in answer && saysGone(answer.error)) return { gone: true };
  const what = `resources/read of ${uri.slice(0, MAX_SHOWN)}`;
  if (!("result" in answer)) return noPage(answer, what);
  if (isNoStore(answer.result)) return noPage({ bad: "it must not be kept" }, what);
  const { contents } = answer.result;
  const only: unknown = Array.isArray(contents) && contents.length === 1 ? contents[0] : undefined;
  const text = isObject(only) ? only["text"] : undefined;
  if (typeof text !== "string") return { row: null, uri };
  if (!isHeld(text)) return noPage(NOT_HELD, what);
  const value = valueIn(text)?.value;
  // A page of them is held at once.
  if (text.length > MAX_BODY_BYTES && JSON.stringify(value ?? null).length > MAX_BODY_BYTES)
    return noPage({ bad: "its JSON is larger than 1 MB" }, what);
  return { row: value || null, uri };
}

/** Whether an error says that there is no such resource: in the words of the earlier revisions, or of the modern one. */
function saysGone(code: number): boolean {
  return code === CODE.resourceNotFound || code === CODE.invalidParams;
}
