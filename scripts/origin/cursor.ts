/** A list that is read page by page. */
export type Paged = "features" | "support";

/** The text that stands for a place in a list of one version of the data. Callers are not meant to read it. */
export function writeCursor(list: Paged, version: string, position: number): string {
  return Buffer.from(`${list}/${version}/${position}`).toString("base64url");
}

/** The place that a cursor stands for, or `undefined` where it was not made here for this list and this data. */
export function readCursor(list: Paged, version: string, size: number, cursor: string): number | undefined {
  const position = Number(/\/([1-9]\d{0,11})$/.exec(Buffer.from(cursor, "base64url").toString())?.[1]);
  if (!(position < size)) return undefined;
  // Only the text that was written counts: base64 has several spellings of the same bytes.
  return writeCursor(list, version, position) === cursor ? position : undefined;
}
