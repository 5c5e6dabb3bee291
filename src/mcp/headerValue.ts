const OPEN = "=?base64?";
const CLOSE = "?=";

/**
 * The value of an `Mcp-Name` or `Mcp-Param-*` header, with its base64 sentinel taken off (SEP-2243: lower-case
 * markers, UTF-8). `undefined` where the sentinel is broken.
 */
export function decodeHeaderValue(value: string): string | undefined {
  if (!value.startsWith(OPEN) || !value.endsWith(CLOSE) || value.length < OPEN.length + CLOSE.length) return value;
  try {
    const binary = atob(value.slice(OPEN.length, -CLOSE.length));
    const bytes = Uint8Array.from(binary, (character) => character.charCodeAt(0));
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}
