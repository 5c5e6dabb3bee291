import { toHex } from "../cache/hex.ts";
import { RESOURCES, type Collection } from "../config/mirror.ts";
import { isObject } from "../mcp/isObject.ts";
import { valueAt } from "../mcp/pointer.ts";
import { columnValue, type ColumnValue } from "./columnValue.ts";
import type { MirroredResult } from "./Source.ts";

/** A row as it is written. */
export interface MirrorRow {
  /** The parts of its key, joined by `KEY_SEPARATOR`. */
  key: string;
  /** JSON; of `RESOURCES` the members of the result. */
  body: string;
  /** Changes with the body and the URI: 128 bits in hex. */
  hash: string;
  /** In the order of the collection's columns. */
  columns: ColumnValue[];
  /** What is searched, in the order of the collection's search columns; for `contains` in lower case. */
  text: string[];
  /** The resource that it came from. */
  uri: string | null;
}

/** What is wrong with a row. */
export type RowProblem = "no-key" | "wrong-type" | "row-too-large";

/** Between the parts of a key: UNIT SEPARATOR, which none of them contains. */
export const KEY_SEPARATOR = "\u001f";

/** The longest part of a key, in UTF-16 units. */
export const MAX_KEY_PART = 512;
/** The longest key of a mirrored resource: its URI is in it. */
export const MAX_RESOURCE_KEY = 4096;
/** The longest body, in bytes. D1 refuses rows of more than 2 MB. */
export const MAX_BODY_BYTES = 1_000_000;
/** The longest row, with its columns and the text that is searched, in bytes. */
const MAX_ROW_BYTES = 1_900_000;

/** A row of a collection as it is written, from what came; `uri` is the resource that it came from. Never throws. */
export async function rowOf(
  collection: Pick<Collection, "name" | "key" | "columns" | "search">,
  value: unknown,
  uri?: string,
): Promise<MirrorRow | { problem: RowProblem }> {
  if (collection.name === RESOURCES) return resourceRow(value as MirroredResult);
  if (!isObject(value)) return { problem: "wrong-type" };
  const parts = collection.key.map((pointer) => keyPart(valueAt(value, pointer)));
  if (parts.includes(undefined)) return { problem: "no-key" };
  return whole({
    key: parts.join(KEY_SEPARATOR),
    body: JSON.stringify(value),
    columns: collection.columns.map(({ at, as }) => columnValue(as, valueAt(value, at))),
    text: (collection.search?.columns ?? []).map((pointer) => {
      const text = textOf(valueAt(value, pointer));
      return collection.search!.match === "contains" ? text.toLowerCase() : text;
    }),
    uri: uri ?? null,
  });
}

function resourceRow({ key, body }: MirroredResult): Promise<MirrorRow | { problem: RowProblem }> {
  if (key.length > MAX_RESOURCE_KEY || !isSound(key)) return Promise.resolve({ problem: "no-key" });
  const uri = key.startsWith("read:") ? key.slice("read:".length) : null;
  return whole({ key, body, columns: [], text: [], uri });
}

async function whole(row: Omit<MirrorRow, "hash">): Promise<MirrorRow | { problem: RowProblem }> {
  const { key, body, columns, text, uri } = row;
  // What is searched as parts is there twice.
  const beside = [key, uri ?? "", ...text, ...text, ...columns.filter((column) => typeof column === "string")];
  if (isLonger([body], MAX_BODY_BYTES) || isLonger([body, ...beside], MAX_ROW_BYTES))
    return { problem: "row-too-large" };
  // No body contains NUL.
  return { ...row, hash: await hashOf(uri === null ? body : `${uri}\0${body}`) };
}

/** A part of a key as text: of a string or a number that may be one. */
function keyPart(value: unknown): string | undefined {
  if (typeof value === "number") return String(value);
  if (typeof value !== "string" || value === "" || value.length > MAX_KEY_PART) return undefined;
  return isSound(value) && !value.includes(KEY_SEPARATOR) ? value : undefined;
}

/** Whether SQLite has a text as JavaScript has it. */
function isSound(text: string): boolean {
  return text.isWellFormed() && !text.includes("\0");
}

function textOf(value: unknown): string {
  if (typeof value === "string") return value;
  return Array.isArray(value) ? value.filter((one) => typeof one === "string").join("\n") : "";
}

function isLonger(texts: readonly string[], most: number): boolean {
  const units = texts.reduce((sum, { length }) => sum + length, 0);
  // A UTF-16 unit takes one to three bytes.
  if (units * 3 <= most) return false;
  return units > most || texts.reduce((sum, text) => sum + bytesIn(text), 0) > most;
}

/** How many bytes a text has in UTF-8. */
export function bytesIn(text: string): number {
  return new TextEncoder().encode(text).length;
}

async function hashOf(text: string): Promise<string> {
  const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return toHex(hash.slice(0, 16));
}
