import { isObject } from "../mcp/isObject.ts";

/** What a token says before anybody has looked whether it is true: enough to know whom to ask. */
export interface UnverifiedToken {
  alg: string;
  /** Which of its issuer's keys has signed it. */
  kid: string | undefined;
  issuer: string;
}

/** Longer ones are nobody's, in characters. */
const MAX_LENGTH = 8_192;
const MAX_KID_LENGTH = 256;

/**
 * Reads a JWS in its compact form; `undefined` where it is none. Its spelling must be the only one that its bytes have:
 * another would be the same token under another name (RFC 4648, 3.5 and 12).
 */
export function readToken(token: string): UnverifiedToken | undefined {
  if (token.length > MAX_LENGTH) return undefined;
  const parts = token.split(".");
  if (parts.length !== 3 || !parts.every(isCanonical)) return undefined;
  const [header, payload] = [objectIn(parts[0]!), objectIn(parts[1]!)];
  if (!header || !payload) return undefined;
  const { alg, kid } = header;
  const { iss } = payload;
  // What must be understood (`crit`) nobody here would. Keys that a token brings, or says where to find, are not looked at.
  if (typeof alg !== "string" || typeof iss !== "string" || Object.hasOwn(header, "crit")) return undefined;
  if (kid !== undefined && (typeof kid !== "string" || kid.length > MAX_KID_LENGTH)) return undefined;
  return { alg, kid, issuer: iss };
}

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/** Whether a text is base64url without padding, as encoding its bytes again would write it: no bit is set that stands for nothing. */
export function isCanonical(text: string): boolean {
  if (!/^[\w-]+$/.test(text)) return false;
  const rest = text.length % 4;
  if (rest === 0) return true;
  const unused = rest === 2 ? 0b1111 : 0b11;
  return rest !== 1 && (ALPHABET.indexOf(text.at(-1)!) & unused) === 0;
}

function objectIn(part: string): Record<string, unknown> | undefined {
  try {
    const bytes = Uint8Array.fromBase64(part, { alphabet: "base64url" });
    const value: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes));
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
