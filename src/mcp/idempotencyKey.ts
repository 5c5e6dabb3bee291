/** A key is so long at most, in characters. */
const MAX_LENGTH = 255;
const VISIBLE = /^[\x21-\x7e]+$/;
/** A string of structured fields (RFC 9651, 3.3.3). */
const QUOTED = /^"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"$/;

/** The key that a caller has given its call, if any; or what is wrong with it. */
export type GivenKey = { key?: string } | { wrong: string };

/**
 * The caller's idempotency key: in the request's `_meta`, or in the header `Idempotency-Key`, as the IETF's draft has it
 * (quoted) or as most send it (bare). Where there are both they have to be the same.
 */
export function idempotencyKey(inMeta: unknown, header: string | null): GivenKey {
  if (inMeta !== undefined && typeof inMeta !== "string") return { wrong: "that in _meta must be a string" };
  const inHeader = header === null ? undefined : bare(header.trim());
  if (inMeta !== undefined && inHeader !== undefined && inMeta !== inHeader)
    return { wrong: "that in _meta and that of the header Idempotency-Key are not the same" };
  const key = inMeta ?? inHeader;
  if (key === undefined) return {};
  if (key.length > MAX_LENGTH || !VISIBLE.test(key))
    return { wrong: `it must be 1 to ${MAX_LENGTH} visible ASCII characters` };
  return { key };
}

/** A header's value without its quotes. Where they are not as they should be they are a part of the key, which is not visible or just another. */
function bare(value: string): string {
  const quoted = QUOTED.exec(value)?.[1];
  return quoted === undefined ? value : quoted.replace(/\\(["\\])/g, "$1");
}
