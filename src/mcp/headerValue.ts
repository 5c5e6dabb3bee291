const OPEN = "=?base64?";
const CLOSE = "?=";
/** Base64 with its padding (RFC 4648, 4). `atob` alone also takes blanks, and goes without padding. */
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/**
 * The value of an `Mcp-Name` or `Mcp-Param-*` header, with its base64 sentinel taken off (SEP-2243: lower-case
 * markers, UTF-8). `undefined` where the sentinel is broken.
 */
export function decodeHeaderValue(value: string): string | undefined {
  if (!value.startsWith(OPEN) || !value.endsWith(CLOSE) || value.length < OPEN.length + CLOSE.length) return value;
  const encoded = value.slice(OPEN.length, -CLOSE.length);
  if (!BASE64.test(encoded)) return undefined;
  try {
    const binary = atob(encoded);
    const bytes = Uint8Array.from(binary, (character) => character.charCodeAt(0));
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

/** A value as `Mcp-Name` or `Mcp-Param-*` carry it: plain where it is visible ASCII, else behind the base64 sentinel. */
export function encodeHeaderValue(value: string): string {
  const plain = /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/.test(value) && !value.startsWith(OPEN);
  if (plain) return value;
  return OPEN + btoa(String.fromCharCode(...new TextEncoder().encode(value))) + CLOSE;
}
