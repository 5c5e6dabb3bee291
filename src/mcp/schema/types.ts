import { isObject } from "../isObject.ts";

/** A type of JSON Schema, tested. */
type Test = (value: unknown) => boolean;

const TESTS: ReadonlyMap<string, { words: string; is: Test; mayBeRead: Test }> = new Map([
  ["string", { words: "a string", is: (value: unknown) => typeof value === "string", mayBeRead: () => false }],
  ["number", { words: "a number", is: (value: unknown) => typeof value === "number", mayBeRead: readsAsNumber }],
  ["integer", { words: "a whole number", is: Number.isInteger, mayBeRead: readsAsNumber }],
  [
    "boolean",
    {
      words: "true or false",
      is: (value: unknown) => typeof value === "boolean",
      mayBeRead: (value: unknown) =>
        value === 0 || value === 1 || textLike(value, /^(?:true|false|t|f|yes|no|y|n|on|off|1|0)$/i),
    },
  ],
  ["array", { words: "an array", is: Array.isArray, mayBeRead: (value: unknown) => textLike(value, /^\[/) }],
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
 * text, and servers that are widely used read them (pydantic's lax mode, and what FastMCP parses beforehand).
 */
export function mayBeRead(type: string, value: unknown): boolean {
  return TESTS.get(type)!.mayBeRead(value);
}

/** The types in words: `a string or null`. */
export function wordsFor(types: readonly string[]): string {
  return types.map((type) => TESTS.get(type)!.words).join(" or ");
}

function readsAsNumber(value: unknown): boolean {
  return typeof value === "boolean" || textLike(value, /^[-+]?(?:[\d._]+(?:e[-+]?\d+)?|nan|inf(?:inity)?)$/i);
}

/** Longer texts than these stand for no number or word. */
const MAX_WORD = 400;

function textLike(value: unknown, form: RegExp): boolean {
  if (typeof value !== "string") return false;
  const start = value.slice(0, MAX_WORD).trim();
  return form.test(start);
}
