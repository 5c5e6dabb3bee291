import { endOfString } from "../mcp/scan.ts";

/** Shorter integers are all held. */
const LONG = /\d{16}/;
const STRING_OR_NUMBER = /"|-?\d[\d.eE+-]*/g;
const INTEGER = /^-?\d{16,}$/;
/** The largest double has so many digits. */
const MAX_DIGITS = 309;

/**
 * Whether each integer of a JSON text is held as it is written: `9007199254740993` is read as another one, which may be
 * another row's key. Fractions are as near as they can be.
 */
export function isHeld(text: string): boolean {
  if (!LONG.test(text)) return true;
  STRING_OR_NUMBER.lastIndex = 0;
  for (let found = STRING_OR_NUMBER.exec(text); found; found = STRING_OR_NUMBER.exec(text)) {
    const [token] = found;
    if (token === '"') STRING_OR_NUMBER.lastIndex = endOfString(text, found.index);
    else if (INTEGER.test(token) && !isExact(token)) return false;
  }
  return true;
}

function isExact(integer: string): boolean {
  const held = integer.length <= MAX_DIGITS ? Number(integer) : Infinity;
  return Number.isFinite(held) && BigInt(integer) === BigInt(held);
}
