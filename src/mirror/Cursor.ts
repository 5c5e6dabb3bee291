import { isPlain } from "./argumentAt.ts";

/** Where a page ended, and in what. It comes back from callers, who may have changed it: what it says opens nothing that the call does not. */
export interface Cursor {
  /** The version that the pages are of. */
  version: number;
  /** Ties it to the call, without its cursor. */
  digest: string;
  /** How many rows came before. */
  before: number;
  /** What the last of them is ordered by, its key at last; `null` where it is only known how many there were. */
  after: readonly (string | number | null)[] | null;
  /** As in `MirrorFacts`, of that version. */
  asOf: number;
  seq: number;
}

const FORM = "er1.";
const MAX_LENGTH = 4_096;
/** As many rows as a collection can have. */
const MAX_BEFORE = 1_000_000;

/** Whether a text is, or pretends to be, a cursor of the mirror. Such are never sent to the origin. */
export function isOwnCursor(text: string): boolean {
  return text.startsWith(FORM);
}

/** The text that stands for it. What would make it long, or could not be read again, is left out: then the rows are counted. */
export function writeCursor({ version, digest, before, after, asOf, seq }: Cursor): string {
  const place = after?.every(isValue) ? after : null;
  const bytes = new TextEncoder().encode(JSON.stringify([version, digest, before, place, asOf, seq]));
  const text = FORM + bytes.toBase64({ alphabet: "base64url", omitPadding: true });
  return text.length > MAX_LENGTH ? writeCursor({ version, digest, before, after: null, asOf, seq }) : text;
}

/** What a text stands for, where rows are ordered by so many values; `undefined` where it is none that was written here. */
export function readCursor(text: string, values: number): Cursor | undefined {
  if (!isOwnCursor(text) || text.length > MAX_LENGTH) return undefined;
  let read: unknown;
  try {
    const bytes = Uint8Array.fromBase64(text.slice(FORM.length), { alphabet: "base64url" });
    read = JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch {
    return undefined;
  }
  if (!Array.isArray(read) || read.length !== 6) return undefined;
  const [version, digest, before, after, asOf, seq] = read as unknown[];
  if (!isCount(version) || version === 0 || !isCount(asOf) || !isCount(seq) || typeof digest !== "string")
    return undefined;
  if (!isCount(before) || before > MAX_BEFORE || !isPlace(after, values)) return undefined;
  return { version, digest, before, after, asOf, seq };
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isPlace(after: unknown, values: number): after is Cursor["after"] {
  if (after === null) return true;
  return Array.isArray(after) && after.length === values && typeof after.at(-1) === "string" && after.every(isValue);
}

function isValue(value: unknown): boolean {
  return value === null || Number.isFinite(value) || (typeof value === "string" && isPlain(value));
}
