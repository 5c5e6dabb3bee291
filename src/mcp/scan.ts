import { BACKSLASH, CLOSE_ARRAY, CLOSE_OBJECT, COLON, MINUS, OPEN_ARRAY, OPEN_OBJECT, QUOTE } from "./characters.ts";
import { Keys } from "./Keys.ts";

/** What can be said of a JSON text without parsing it. */
export interface Scan {
  /** Whether objects and arrays nest deeper than allowed. Nothing recursive may meet such a text. */
  tooDeep: boolean;
  /**
   * Whether two readers must understand the text alike: no duplicate keys, no number that a double does not hold
   * as written. Only such a text may be cached, or answered from the cache.
   */
  exact: boolean;
  /** Whether an object has two keys of one name: readers differ in which they take. */
  duplicates: boolean;
}

/** Longer numbers than any program prints are not looked at: their digits would cost time, and nobody needs them. */
const MAX_NUMBER_LENGTH = 64;

/**
 * Reads a JSON text once, without recursion, before anything parses it. It does not validate: of a text that is not
 * JSON it says something harmless, and `JSON.parse` refuses it afterwards.
 */
export function scan(text: string, maxDepth: number): Scan {
  // The keys of each open object; undefined stands for an open array.
  const open: (Keys | undefined)[] = [];
  let exact = true;
  let duplicates = false;
  // The string that was met last.
  let start = 0;
  let end = 0;
  let at = 0;
  while (at < text.length) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      start = at;
      at = end = endOfString(text, at);
    } else if (code === MINUS || isDigit(code)) {
      const from = at++;
      while (isNumberPart(text.charCodeAt(at))) at++;
      exact &&= isExactNumber(text.slice(from, at));
    } else {
      at++;
      if (code === OPEN_OBJECT || code === OPEN_ARRAY) {
        open.push(code === OPEN_OBJECT ? new Keys() : undefined);
        if (open.length > maxDepth) return { tooDeep: true, exact: false, duplicates };
      } else if (code === CLOSE_OBJECT || code === CLOSE_ARRAY) {
        open.pop();
      } else if (code === COLON) {
        if (!isNewKey(open.at(-1), text.slice(start, end))) duplicates = true;
      }
    }
  }
  return { tooDeep: false, exact: exact && !duplicates, duplicates };
}

/** The index after the string that starts at `from` (its opening quote), or the text's end where it never closes. */
export function endOfString(text: string, from: number): number {
  let close = text.indexOf('"', from + 1);
  while (close > 0) {
    let before = close - 1;
    while (text.charCodeAt(before) === BACKSLASH) before--;
    if ((close - before) % 2 === 1) return close + 1;
    close = text.indexOf('"', close + 1);
  }
  return text.length;
}

function isNewKey(keys: Keys | undefined, string: string): boolean {
  if (!keys) return true;
  // An escaped spelling of a key is the same key.
  return keys.add(string.includes("\\") ? normalise(string) : string);
}

function normalise(string: string): string {
  try {
    return JSON.stringify(JSON.parse(string));
  } catch {
    return string;
  }
}

function isDigit(code: number): boolean {
  return code >= 48 && code <= 57;
}

function isNumberPart(code: number): boolean {
  // digits, plus, minus, point, e and E
  return isDigit(code) || code === 43 || code === MINUS || code === 46 || code === 101 || code === 69;
}

/** Whether a double holds the number as written, within ±2^53. `1.0` is 1; `9007199254740993` and `0.1000000000000000055` are not held. */
function isExactNumber(token: string): boolean {
  if (token.length > MAX_NUMBER_LENGTH) return false;
  const value = Number(token);
  if (token.length <= 15 && Number.isInteger(value) && !token.includes("e") && !token.includes("E")) return true;
  if (!(Math.abs(value) <= Number.MAX_SAFE_INTEGER)) return false;
  return decimal(token) === decimal(String(value));
}

/** A number's digits without leading and trailing zeros, and its power of ten: equal for equal numbers. */
function decimal(token: string): string {
  const [, whole = "", fraction = "", power = "0"] = /^-?(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(token) ?? [];
  const digits = (whole + fraction).replace(/^0+/, "");
  const significant = digits.replace(/0+$/, "");
  return significant === ""
    ? "0"
    : `${significant}e${Number(power) - fraction.length + digits.length - significant.length}`;
}
