import type { Rights } from "../access/Rights.ts";
import type { Entry } from "../cache/entry.ts";
import { S3Fifo } from "../cache/S3Fifo.ts";
import { shownEntry } from "../cache/shownEntry.ts";
import type { IsShown } from "../mcp/hiddenSpans.ts";
import { isObject } from "../mcp/isObject.ts";
import { isList } from "../mcp/methods.ts";
import { shownReply } from "../mcp/shownReply.ts";
import { mediaType } from "../origin/readReply.ts";
import type { Answer, Exchange } from "./Exchange.ts";
import { isEverybodys } from "./isEverybodys.ts";

/** Of an isolate's memory, what lists may take as those see them who may use only some of what they list. In bytes. */
const MEMORY_BYTES = 8 * 1_048_576;
const OVERHEAD_BYTES = 600;

/** What an entry is to those who have certain rights. */
interface Seen {
  of: Entry;
  entry: Entry;
}

/** Plain data, and nobody's own: what is found is what would be made anew. */
const remembered = new S3Fifo<Seen>(MEMORY_BYTES);

/** The entry of a list as a caller with these rights sees it. What was seen lately is not cut again. */
export function entryFor(x: Pick<Exchange, "origin">, rights: Rights, method: string, entry: Entry): Entry {
  // What is said under one hash is the same, and so is what is left of it: but for the entry's times.
  const own = x.origin.outbox ? "own " : "";
  const key = `${own}${rights.id} ${method} ${entry.era} ${entry.hash}`;
  const known = remembered.get(key);
  if (known?.of === entry) return known.entry;
  const seen = known ? withTextOf(entry, known.entry) : shownEntry(entry, method, isShownTo(x, rights));
  remembered.set(key, { of: entry, entry: seen }, 2 * (seen.body.length + seen.meta.length) + OVERHEAD_BYTES);
  return seen;
}

/** What a caller with these rights may see of lists and of events. */
export function isShownTo(x: Pick<Exchange, "origin">, rights: Rights): IsShown {
  return (kind, name) => rights.may(kind, name) || isEverybodys(x, kind, name);
}

function withTextOf(entry: Entry, { body, legacy, modern }: Entry): Entry {
  const { legacy: _, modern: __, ...rest } = entry;
  return { ...rest, body, ...(legacy && { legacy }), ...(modern && { modern }) };
}

/**
 * The answer to a message, as a caller with these rights may have it: of lists only what it may use, and nothing that others
 * might be given. Streams are looked at as they pass.
 */
export function withinRights(x: Exchange, rights: Rights, given: Answer): Answer {
  const { body } = x;
  const method = isObject(body) ? body["method"] : undefined;
  if (typeof method !== "string" || !(isList(method) || method === "resources/read")) return given;
  if (given.kind === "message" && !given.isCut) {
    const text = shownReply(given.text, method, isShownTo(x, rights));
    return text === undefined ? unreadable() : { ...given, text };
  }
  if (given.kind !== "stream" || !isList(method)) return given;
  const { response } = given;
  // What says with its status that something is wrong is no list.
  if (response.status >= 400 || mediaType(response) === "text/event-stream") return given;
  response.body?.cancel().catch(() => {});
  return unreadable();
}

/** What cannot be read, nobody can say of whether it may be seen. */
function unreadable(): Answer {
  const failure = { kind: "garbage", detail: "a list that cannot be read" } as const;
  return { kind: "failure", failure: { kind: "origin", failure } };
}
