import { isObject } from "../mcp/isObject.ts";
import type { Entry } from "./entry.ts";
import { digest } from "./key.ts";

/** The version of the stored form. A value of any other is a miss, so that old and new Workers live side by side. */
const VERSION = 1;

/** An entry as stored: one line of JSON, a newline, the body and the `_meta` members. */
export function encodeEntry(entry: Entry): string {
  const { body, meta, savedAt: _, soundAt: __, isDoubted: ___, pendingWrites: ____, ...header } = entry;
  return `${JSON.stringify({ v: VERSION, ...header, split: body.length })}\n${body}${meta}`;
}

/** The entry of a stored value; `undefined` for a value that is corrupt, cut short, or of another version. */
export async function decodeEntry(value: string): Promise<Entry | undefined> {
  const newline = value.indexOf("\n");
  if (newline < 0) return undefined;
  let header: unknown;
  try {
    header = JSON.parse(value.slice(0, newline));
  } catch {
    return undefined;
  }
  if (!isHeader(header)) return undefined;
  const { v: _, split, ...rest } = header;
  const body = value.slice(newline + 1, newline + 1 + split);
  const meta = value.slice(newline + 1 + split);
  return (await hashOf(body, meta)) === rest.hash ? { ...rest, savedAt: rest.storedAt, body, meta } : undefined;
}

/** The hash of what an entry says. */
export function hashOf(body: string, meta: string): Promise<string> {
  return digest(`${body}\n${meta}`);
}

type Header = Omit<Entry, "body" | "meta" | "savedAt" | "soundAt" | "isDoubted" | "pendingWrites"> & {
  v: number;
  split: number;
};

const NUMBERS = ["storedAt", "ttlMs", "staleWhileRevalidateMs", "staleIfErrorMs", "promisedMs", "contentEnd", "split"];

function isHeader(value: unknown): value is Header {
  if (!isObject(value) || value["v"] !== VERSION || typeof value["hash"] !== "string") return false;
  if (value["scope"] !== "public" && value["scope"] !== "private") return false;
  const { clientTtlMs, tookMs } = value;
  return (
    NUMBERS.every((name) => Number.isFinite(value[name]) && (value[name] as number) >= 0) &&
    (clientTtlMs === undefined || Number.isFinite(clientTtlMs)) &&
    (tookMs === undefined || (Number.isFinite(tookMs) && (tookMs as number) >= 0)) &&
    isEra(value["era"]) &&
    (value["only"] === undefined || isEra(value["only"])) &&
    isPatches(value["legacy"]) &&
    isPatches(value["modern"]) &&
    isPosition(value) &&
    Array.isArray(value["tags"])
  );
}

function isPatches(value: unknown): boolean {
  return value === undefined || (Array.isArray(value) && value.every(isPatch));
}

function isPatch(value: unknown): boolean {
  if (!isObject(value) || typeof value["text"] !== "string") return false;
  return Number.isSafeInteger(value["start"]) && Number.isSafeInteger(value["end"]);
}

/** Whether both parts of a position are there, or neither. */
function isPosition({ feedId, seq }: Record<string, unknown>): boolean {
  if (feedId === undefined) return seq === undefined;
  return typeof feedId === "string" && Number.isSafeInteger(seq) && (seq as number) >= 0;
}

function isEra(value: unknown): boolean {
  return value === "modern" || value === "legacy";
}
