import { isObject } from "../mcp/isObject.ts";
import { escaped, unescaped } from "../mcp/pointer.ts";
import { isOwnCursor } from "./Cursor.ts";

/** A tool's result: the JSON object. */
export type Result = Record<string, unknown>;

/** Members of a result that are told anew to each caller, or that one revision alone has. */
const ASIDE: ReadonlySet<string> = new Set(["_meta", "resultType"]);

/** The longest place that is told, in UTF-16 units: origins name members as they like. */
const MAX_PLACE = 200;

/**
 * Where two results of a tool first differ, as a JSON Pointer (RFC 6901) into the result, `""` where all of it does;
 * cut where it is long; `undefined` where they say the same. They are compared as canonical JSON is (RFC 8785): neither
 * the order of members counts nor how a number is written. Text that is a JSON object or array is compared as that; other text, and so a
 * version such as 16.10, to the letter. `volatile`: JSON Pointers into the structured content, and into such text: what is
 * there on either side does not count; nor which cursor it is that the mirror has given out where the origin has one. Takes the two apart.
 */
export function differenceOf(ours: Result, theirs: Result, volatile: readonly string[]): string | undefined {
  const paths = volatile.map((pointer) => pointer.split("/").slice(1).map(unescaped));
  return firstDifference(told(ours, paths), told(theirs, paths), "")?.slice(0, MAX_PLACE).toWellFormed();
}

/** What a result says. */
function told(result: Result, volatile: readonly string[][]): Result {
  const said = Object.fromEntries(Object.entries(result).filter(([name]) => !ASIDE.has(name)));
  // Absent is the same.
  if (said["isError"] === false) delete said["isError"];
  const { structuredContent, content } = said;
  if (structuredContent !== undefined) said["structuredContent"] = without(structuredContent, volatile);
  if (!Array.isArray(content)) return said;
  said["content"] = content.map((block: unknown) => {
    const value = isObject(block) && block["type"] === "text" ? jsonIn(block["text"]) : undefined;
    return value === undefined ? block : { ...(block as object), text: without(value, volatile) };
  });
  return said;
}

/** The object or array that a text is the JSON of. */
function jsonIn(text: unknown): object | undefined {
  if (typeof text !== "string" || !/^\s*[{[]/.test(text)) return undefined;
  try {
    return JSON.parse(text) as object;
  } catch {
    return undefined;
  }
}

function without(value: unknown, paths: readonly string[][]): unknown {
  for (const path of paths) {
    // The pointer to all of it.
    if (path.length === 0) return null;
    remove(value, path);
  }
  return value;
}

function remove(value: unknown, path: readonly string[]): void {
  let at = value;
  for (const name of path.slice(0, -1)) at = has(at, name) ? at[name] : undefined;
  const last = path.at(-1)!;
  if (!has(at, last)) return;
  // In an array those after it stay where they are.
  if (Array.isArray(at)) (at as unknown[])[Number(last)] = null;
  else delete at[last];
}

function has(value: unknown, name: string): value is Record<string, unknown> {
  if (Array.isArray(value)) return /^(0|[1-9]\d*)$/.test(name) && Object.hasOwn(value, name);
  return isObject(value) && Object.hasOwn(value, name);
}

function firstDifference(ours: unknown, theirs: unknown, at: string): string | undefined {
  if (ours === theirs || (typeof ours === "string" && isOwnCursor(ours) && isCursor(theirs))) return undefined;
  if (Array.isArray(ours) && Array.isArray(theirs)) {
    const both = Math.min(ours.length, theirs.length);
    for (let place = 0; place < both; place++) {
      const found = firstDifference(ours[place], theirs[place], `${at}/${place}`);
      if (found !== undefined) return found;
    }
    return ours.length === theirs.length ? undefined : `${at}/${both}`;
  }
  if (!isObject(ours) || !isObject(theirs)) return at;
  for (const name of Object.keys(ours)) {
    const place = `${at}/${escaped(name)}`;
    if (!Object.hasOwn(theirs, name)) return place;
    const found = firstDifference(ours[name], theirs[name], place);
    if (found !== undefined) return found;
  }
  const more = Object.keys(theirs).find((name) => !Object.hasOwn(ours, name));
  return more === undefined ? undefined : `${at}/${escaped(more)}`;
}

function isCursor(value: unknown): boolean {
  return typeof value === "number" || (typeof value === "string" && value !== "");
}
