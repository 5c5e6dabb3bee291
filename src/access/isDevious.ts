/** Encoded, and be it several times over: a dot, a slash, a backslash, a control character, or what is no UTF-8 and may be read as one. */
const ENCODED = /%(?:25)*(?:2e|2f|5c|[01][0-9a-f]|7f|c[01])/i;
// oxlint-disable-next-line no-control-regex
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/;
/** Two dots that are no part of a word: `..` in a path, or in what is taken for one. */
const CLIMBING = /(?<!\w)\.\.(?!\w)/;

/**
 * Whether a URI may come to stand for another one where it is read: it climbs (`..`), hides the signs by which paths are
 * parted behind percent signs, or has characters that readers drop. What a pattern says of its beginning would then be no
 * more than a beginning. Letters in another case, or encoded without need, stay below it.
 */
export function isDevious(uri: string): boolean {
  return CLIMBING.test(uri) || ENCODED.test(uri) || hasControl(uri);
}

/** Whether a name has characters at which some readers stop, or which they pass over. */
export function hasControl(name: string): boolean {
  return CONTROL.test(name);
}
