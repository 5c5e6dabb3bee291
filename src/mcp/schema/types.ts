import { isObject } from "../isObject.ts";

/** A type of JSON Schema, tested. */
type Test = (value: unknown) => boolean;

const TESTS: ReadonlyMap<string, { words: string; is: Test; mayBeRead: Test }> = new Map([
  ["string", { words: "a string", is: (value: unknown) => typeof value === "string", mayBeRead: isWord }],
  ["number", { words: "a number", is: (value: unknown) => typeof value === "number", mayBeRead: readsAsNumber }],
  ["integer", { words: "a whole number", is: Number.isInteger, mayBeRead: readsAsNumber }],
  [
    "boolean",
    {
      words: "true or false",
      is: (value: unknown) => typeof value === "boolean",
      mayBeRead: isWord,
    },
  ],
  ["array", { words: "an array", is: Array.isArray, mayBeRead: isWord }],
  ["object", { words: "an object", is: isObject, mayBeRead: (value: unknown) => textLike(value, /^\{/) }],
  [
    "null",
    { words: "null", is: (value: unknown) => value === null, mayBeRead: (value: unknown) => textLike(value, /^null$/) },
  ],
]);

/** The types that a schema names; `undefined` where it names none that is known, or more than there are. */
export function typesOf(type: unknown): readonly string[] | undefined {
  const types: readonly unknown[] = Array.isArray(type) ? type : [type];
  const isKnown = types.length <= TESTS.size && types.every((one) => typeof one === "string" && TESTS.has(one));
  return isKnown ? (types as string[]) : undefined;
}

/** Whether a value is of the type; 1.0 is an integer. */
export function isOf(type: string, value: unknown): boolean {
  return TESTS.get(type)!.is(value);
}

/**
 * Whether a server may take a value for one of the type although it is none: models send numbers, lists and objects as
 * text, or one thing for a list of one, and servers that are widely used read them (pydantic's lax mode, which also takes
 * numbers for dates; what FastMCP parses beforehand; zod's `coerce` and `preprocess`, of which their schemas say nothing).
 */
export function mayBeRead(type: string, value: unknown): boolean {
  return TESTS.get(type)!.mayBeRead(value);
}

/** The types in words: `a string or null`. */
export function wordsFor(types: readonly string[]): string {
  return types.map((type) => TESTS.get(type)!.words).join(" or ");
}

function readsAsNumber(value: unknown): boolean {
  if (typeof value === "boolean") return true;
  return textLike(value, /^[-+]?(?:[\d._]+(?:e[-+]?\d+)?|0[box][\da-f]+|nan|inf(?:inity)?)$/i);
}

function isWord(value: unknown): boolean {
  return typeof value === "string" || typeof value === "number" || typeof value === "boolean";
}

/** What a value reads as in one word, whatever its type; `undefined` where it is none, or a long one. */
export function wordOf(value: unknown): string | undefined {
  if (!isWord(value) || (value as string).length > MAX_WORD) return undefined;
  return String(value).trim().toLowerCase();
}

/** Longer texts than these stand for no number or word. */
const MAX_WORD = 400;

function textLike(value: unknown, form: RegExp): boolean {
  if (typeof value !== "string") return false;
  const start = value.slice(0, MAX_WORD).trim();
  return form.test(start);
}
