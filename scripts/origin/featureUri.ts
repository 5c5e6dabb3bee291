/** The URI template of the feature resources. */
export const FEATURE_TEMPLATE = "bcd://feature/{id}";

/** The resource of all notes. It exists once there is a note. */
export const NOTES_URI = "bcd://notes";

/** The URI of a feature: the template filled in as RFC 6570 has it, so that `@` and `$` are percent-encoded. */
export function featureUri(id: string): string {
  return `bcd://feature/${encodeURIComponent(id)}`;
}

/** The spellings of that URI that a caller may have subscribed to: encoded and, where it differs, plain. */
export function featureUris(id: string): string[] {
  return [...new Set([featureUri(id), `bcd://feature/${id}`])];
}

/** The id in a part of a URI, or `undefined` where its percent-encoding is broken. */
export function decodeId(part: string): string | undefined {
  try {
    return decodeURIComponent(part);
  } catch {
    return undefined;
  }
}
