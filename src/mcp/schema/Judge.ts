import { isObject } from "../isObject.ts";
import type { Dialect } from "./dialect.ts";
import { equal } from "./equal.ts";
import { both, NO, opposite, PERHAPS, YES, type Fit } from "./Fit.ts";
import { itemsOf } from "./itemsOf.ts";
import { mayLack } from "./mayLack.ts";
import { multiple } from "./multiple.ts";
import { References } from "./References.ts";
import { isOf, mayBeRead, typesOf, wordOf, wordsFor } from "./types.ts";
import { formsOf, pointerTo, shownOf, type Place } from "./words.ts";

/** Where a value does not fit. */
export interface Misfit {
  /** A JSON pointer into the value (RFC 6901), shortened where it is long; empty for the whole. */
  at: string;
  /** What must be there, in words that follow the name: `must be a whole number`. */
  expected: string;
}

type Schema = Readonly<Record<string, unknown>>;

/** More looks at a value than an honest schema takes. What takes more is not judged: schemas come from origins, values from callers. */
const MAX_STEPS = 20_000;
const MAX_DEPTH = 100;
const MAX_MISFITS = 4;
/** What refines other keywords in ways that are not looked at here. */
const NOT_LOOKED_AT = ["$dynamicRef", "$recursiveRef", "dependencies"] as const;

/**
 * Judges a value by a JSON Schema as one who must never refuse what the schema's own server accepts: it says no only
 * where no reading of the schema lets the value pass. Not looked at, so that they never refuse, are
 * - patterns: a regular expression of somebody else's on somebody else's text can take for ever;
 * - `format`, which is an annotation;
 * - `additionalProperties: false` and the like: servers publish it and drop what they do not know (zod does);
 * - that `oneOf` fits more than once, which sloppy schemas say where they mean `anyOf`;
 * - references that lead out of the schema, or to names instead of places;
 * - what reads as the type that is wanted, or as one of the choices, and null and empty text, which stand for what is
 *   absent with many;
 * - that something is missing which has a default (zod says of what it gives out that it is always there), or which is
 *   there under a name that is spelt otherwise (pydantic's aliases, .NET's letters);
 * - that an item is there twice: who reads a set (pydantic does) drops it, before items are counted.
 * Its effort is bounded by the number of looks, whatever schema and value are. It never changes either.
 */
export class Judge {
  readonly misfits: Misfit[] = [];
  readonly #root: unknown;
  readonly #dialect: Dialect;
  readonly #references: References;
  readonly #counted = (steps: number) => this.#spend(steps);
  readonly #unread: Fit;
  #left = MAX_STEPS;

  /** `unread`: how a text stands to a pattern or a format, which are not looked at. */
  constructor(root: unknown, dialect: Dialect, unread: Fit = PERHAPS) {
    this.#root = root;
    this.#dialect = dialect;
    this.#unread = unread;
    this.#references = new References(root);
  }

  /** Whether the value fits. Where it does not, `misfits` says why. */
  judge(value: unknown): Fit {
    const fit = this.#look(this.#root, value, { under: undefined, key: "" }, 0);
    // Of what took too long nothing is said.
    return this.#left < 0 ? PERHAPS : fit;
  }

  /** Whether a value fits a schema. At a `place` what does not is told; elsewhere it decides nothing by itself. */
  #look(schema: unknown, value: unknown, place: Place | undefined, depth: number): Fit {
    if (!this.#spend(1) || depth > MAX_DEPTH) return PERHAPS;
    if (schema === true) return YES;
    if (schema === false) return this.#no(place, "must not be there");
    // A schema with an address of its own changes what references within it mean.
    if (!isObject(schema) || (depth > 0 && (Object.hasOwn(schema, "$id") || Object.hasOwn(schema, "id"))))
      return PERHAPS;
    const { $ref } = schema;
    if ($ref !== undefined) {
      const fit = this.#look(this.#references.find($ref), value, place, depth + 1);
      if (fit === NO) return NO;
      if (this.#dialect !== "draft-07") return both(fit, this.#keywords(schema, value, place, depth));
      // There a reference hides what stands beside it; not every server knows.
      return both(fit, this.#keywords(schema, value, undefined, depth) === YES ? YES : PERHAPS);
    }
    return this.#keywords(schema, value, place, depth);
  }

  #keywords(schema: Schema, value: unknown, place: Place | undefined, depth: number): Fit {
    let fit = this.#type(schema, value, place);
    if (fit === NO) return NO;
    fit = both(fit, this.#choice(schema, value, place));
    if (NOT_LOOKED_AT.some((keyword) => schema[keyword] !== undefined)) fit = both(fit, PERHAPS);
    if (typeof value === "number") fit = both(fit, this.#number(schema, value, place));
    else if (typeof value === "string") fit = both(fit, this.#string(schema, value, place));
    else if (Array.isArray(value)) fit = both(fit, this.#array(schema, value, place, depth));
    else if (isObject(value)) fit = both(fit, this.#object(schema, value, place, depth));
    // What does not fit anyway need not be looked at in its combinations, of which nothing plain can be told.
    return fit === NO ? NO : both(fit, this.#combined(schema, value, place, depth));
  }

  #type({ type }: Schema, value: unknown, place: Place | undefined): Fit {
    if (type === undefined) return YES;
    const types = typesOf(type);
    if (!types) return PERHAPS;
    if (types.some((one) => isOf(one, value))) return YES;
    if (value === null || value === "" || types.some((one) => mayBeRead(one, value))) return PERHAPS;
    return this.#no(place, `must be ${wordsFor(types)}`);
  }

  #choice(schema: Schema, value: unknown, place: Place | undefined): Fit {
    const { enum: choices } = schema;
    const isConst = Object.hasOwn(schema, "const");
    if (choices === undefined && !isConst) return YES;
    const fit = isConst ? this.#among([schema["const"]], value, place) : YES;
    if (choices === undefined) return fit;
    return both(fit, Array.isArray(choices) && choices.length > 0 ? this.#among(choices, value, place) : PERHAPS);
  }

  #among(choices: readonly unknown[], value: unknown, place: Place | undefined): Fit {
    const word = wordOf(value);
    let isLike = value === null;
    for (const choice of choices) {
      if (!this.#spend(1)) return PERHAPS;
      if (equal(choice, value, this.#counted)) return YES;
      // What reads as the choice: the number as text, the word in other letters.
      isLike ||= word !== undefined && wordOf(choice) === word;
    }
    return isLike ? PERHAPS : this.#no(place, `must be ${choices.length === 1 ? "" : "one of "}${shownOf(choices)}`);
  }

  #number(schema: Schema, value: number, place: Place | undefined): Fit {
    const { minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf } = schema;
    let fit = this.#bound(minimum, place, (bound) => value >= bound, "must be at least");
    fit = both(
      fit,
      this.#bound(maximum, place, (bound) => value <= bound, "must be at most"),
    );
    fit = both(
      fit,
      this.#bound(exclusiveMinimum, place, (bound) => value > bound, "must be more than"),
    );
    fit = both(
      fit,
      this.#bound(exclusiveMaximum, place, (bound) => value < bound, "must be less than"),
    );
    if (multipleOf === undefined) return fit;
    const times = multiple(value, multipleOf);
    return both(fit, times === NO ? this.#no(place, `must be a multiple of ${String(multipleOf)}`) : times);
  }

  #string(schema: Schema, value: string, place: Place | undefined): Fit {
    const { minLength, maxLength, pattern, format } = schema;
    const fit: Fit = pattern === undefined && format === undefined ? YES : this.#unread;
    if (minLength === undefined && maxLength === undefined) return fit;
    // Servers differ in what a length is: in characters, as the draft has it, or UTF-16 units; with the spaces at the ends, or without.
    const most = value.length;
    const least = this.#length(value.trim());
    const bounded = (shortest: number, longest: number, place: Place | undefined) =>
      both(
        this.#bound(minLength, place, (bound) => longest >= bound, "must have at least", "characters"),
        this.#bound(maxLength, place, (bound) => shortest <= bound, "must have at most", "characters"),
      );
    const loosely = bounded(least, most, place);
    return both(fit, loosely === YES && bounded(most, least, undefined) !== YES ? PERHAPS : loosely);
  }

  /** The length in characters, as JSON Schema counts them, not in UTF-16 units. */
  #length(value: string): number {
    if (!this.#spend(value.length >> 6)) return value.length;
    let length = 0;
    for (const _ of value) length++;
    return length;
  }

  #array(schema: Schema, value: readonly unknown[], place: Place | undefined, depth: number): Fit {
    const { minItems, maxItems, uniqueItems } = schema;
    const isSet = uniqueItems !== undefined && uniqueItems !== false;
    let fit = this.#bound(minItems, place, (bound) => value.length >= bound, "must have at least", "items");
    if (isSet) fit = both(fit, PERHAPS);
    else {
      fit = both(
        fit,
        this.#bound(maxItems, place, (bound) => value.length <= bound, "must have at most", "items"),
      );
    }
    const { firsts, rest, isWhole } = itemsOf(schema, this.#dialect);
    if (!isWhole) fit = both(fit, PERHAPS);
    for (const [index, item] of value.entries()) {
      if (this.#isDecided(fit, place)) return fit;
      const schema = index < firsts.length ? firsts[index] : rest;
      if (schema !== undefined)
        fit = both(fit, this.#look(schema, item, place && { under: place, key: index }, depth + 1));
    }
    return schema["contains"] === undefined ? fit : both(fit, this.#contains(schema, value, place, depth));
  }

  #contains(schema: Schema, value: readonly unknown[], place: Place | undefined, depth: number): Fit {
    const { contains, minContains = 1, maxContains = Infinity } = schema;
    // The older drafts have no such bounds.
    const isBounded = schema["minContains"] !== undefined || schema["maxContains"] !== undefined;
    if (typeof minContains !== "number" || typeof maxContains !== "number") return PERHAPS;
    if (isBounded && this.#dialect === "draft-07") return PERHAPS;
    let [fits, may] = [0, 0];
    for (const item of value) {
      if (this.#left < 0) return PERHAPS;
      const fit = this.#look(contains, item, undefined, depth + 1);
      if (fit === YES) fits++;
      if (fit !== NO) may++;
    }
    if (may < minContains || fits > maxContains) return this.#no(place, "must contain such items as the schema says");
    return fits >= minContains && may <= maxContains ? YES : PERHAPS;
  }

  #object(schema: Schema, value: Schema, place: Place | undefined, depth: number): Fit {
    const { required, properties, patternProperties, additionalProperties, propertyNames } = schema;
    const { minProperties, maxProperties, dependentRequired, dependentSchemas, unevaluatedProperties } = schema;
    let fit: Fit = this.#required(required, value, place, properties);
    if (unevaluatedProperties !== undefined) fit = both(fit, PERHAPS);
    const needsKeys = [
      properties,
      patternProperties,
      additionalProperties,
      propertyNames,
      minProperties,
      maxProperties,
    ];
    if (needsKeys.some((keyword) => keyword !== undefined)) {
      const keys = Object.keys(value);
      if (!this.#spend(keys.length)) return PERHAPS;
      fit = both(
        fit,
        this.#bound(minProperties, place, (bound) => keys.length >= bound, "must have at least", "members"),
      );
      fit = both(
        fit,
        this.#bound(maxProperties, place, (bound) => keys.length <= bound, "must have at most", "members"),
      );
      const named = isObject(properties) ? properties : undefined;
      if (patternProperties !== undefined || (properties !== undefined && !named)) fit = both(fit, PERHAPS);
      for (const key of keys) {
        if (this.#isDecided(fit, place)) return fit;
        const below = place && { under: place, key };
        // Readers differ in whether that is a member like others.
        if (key === "__proto__") fit = both(fit, PERHAPS);
        else if (named && Object.hasOwn(named, key))
          fit = both(fit, this.#look(named[key], value[key], below, depth + 1));
        else if (patternProperties === undefined && additionalProperties !== undefined) {
          fit = both(
            fit,
            additionalProperties === false ? PERHAPS : this.#look(additionalProperties, value[key], below, depth + 1),
          );
        }
        if (propertyNames === undefined) continue;
        const name = this.#look(propertyNames, key, undefined, depth + 1);
        fit = both(fit, name === NO ? this.#no(below, "has a name that the schema does not allow") : name);
      }
    }
    if (this.#dialect === "draft-07") return fit;
    if (isObject(dependentRequired)) {
      for (const key of Object.keys(dependentRequired)) {
        if (!this.#spend(1)) return PERHAPS;
        if (Object.hasOwn(value, key))
          fit = both(fit, this.#required(dependentRequired[key], value, place, properties));
      }
    }
    if (isObject(dependentSchemas)) {
      for (const key of Object.keys(dependentSchemas)) {
        if (!this.#spend(1)) return PERHAPS;
        if (Object.hasOwn(value, key)) fit = both(fit, this.#look(dependentSchemas[key], value, place, depth + 1));
      }
    }
    return fit;
  }

  #required(names: unknown, value: Schema, place: Place | undefined, properties: unknown): Fit {
    if (names === undefined) return YES;
    if (!Array.isArray(names)) return PERHAPS;
    let fit: Fit = YES;
    for (const name of names) {
      if (!this.#spend(1)) return PERHAPS;
      if (typeof name !== "string") fit = both(fit, PERHAPS);
      else if (Object.hasOwn(value, name)) continue;
      else if (this.#mayLack(name, value, properties)) fit = both(fit, PERHAPS);
      else fit = this.#no(place && { under: place, key: name }, "is missing");
      if (this.#isDecided(fit, place)) return fit;
    }
    return fit;
  }

  #mayLack(name: string, value: Schema, properties: unknown): boolean {
    const keys = Object.keys(value);
    return !this.#spend(keys.length) || mayLack(name, keys, properties);
  }

  #combined(schema: Schema, value: unknown, place: Place | undefined, depth: number): Fit {
    const { allOf, anyOf, oneOf, not, if: condition } = schema;
    let fit: Fit = YES;
    if (allOf !== undefined) {
      if (!Array.isArray(allOf)) return PERHAPS;
      for (const one of allOf) {
        if (this.#isDecided(fit, place)) return fit;
        fit = both(fit, this.#look(one, value, place, depth + 1));
      }
    }
    if (anyOf !== undefined) fit = both(fit, this.#any(anyOf, value, place, depth));
    if (oneOf !== undefined) fit = both(fit, this.#one(oneOf, value, place, depth));
    if (not !== undefined) {
      const other = opposite(this.#look(not, value, undefined, depth + 1));
      fit = both(fit, other === NO ? this.#no(place, "must not be what the schema excludes") : other);
    }
    return condition === undefined ? fit : both(fit, this.#conditional(schema, value, place, depth));
  }

  #any(branches: unknown, value: unknown, place: Place | undefined, depth: number): Fit {
    if (!Array.isArray(branches)) return PERHAPS;
    let best: Fit = NO;
    for (const branch of branches) {
      if (this.#left < 0) return PERHAPS;
      const fit = this.#look(branch, value, undefined, depth + 1);
      if (fit === YES) return YES;
      if (fit > best) best = fit;
    }
    return best === NO ? this.#no(place, formsOf(branches, value)) : best;
  }

  #one(branches: unknown, value: unknown, place: Place | undefined, depth: number): Fit {
    if (!Array.isArray(branches)) return PERHAPS;
    let [fits, may] = [0, 0];
    for (const branch of branches) {
      if (this.#left < 0) return PERHAPS;
      const fit = this.#look(branch, value, undefined, depth + 1);
      if (fit === YES) fits++;
      if (fit !== NO) may++;
    }
    if (may === 0) return this.#no(place, formsOf(branches, value));
    return fits === 1 && may === 1 ? YES : PERHAPS;
  }

  #conditional(schema: Schema, value: unknown, place: Place | undefined, depth: number): Fit {
    const branch = (name: "then" | "else", place: Place | undefined) =>
      schema[name] === undefined ? YES : this.#look(schema[name], value, place, depth + 1);
    const condition = this.#look(schema["if"], value, undefined, depth + 1);
    if (condition === YES) return branch("then", place);
    if (condition === NO) return branch("else", place);
    const [then, otherwise] = [branch("then", undefined), branch("else", undefined)];
    if (then !== otherwise) return PERHAPS;
    return then === NO ? this.#no(place, "must be as the schema says") : then;
  }

  /** A bound that a value keeps or not; a bound that is no number is none that we know. */
  #bound(bound: unknown, place: Place | undefined, keeps: (bound: number) => boolean, words: string, of = ""): Fit {
    if (bound === undefined) return YES;
    if (typeof bound !== "number") return PERHAPS;
    return keeps(bound) ? YES : this.#no(place, `${words} ${bound} ${of}`.trimEnd());
  }

  /** Whether there is an end to it: nothing can make a yes of it any more, and enough is told. */
  #isDecided(fit: Fit, place: Place | undefined): boolean {
    return this.#left < 0 || (fit === NO && (place === undefined || this.misfits.length >= MAX_MISFITS));
  }

  #no(place: Place | undefined, expected: string): Fit {
    if (place && this.misfits.length < MAX_MISFITS) this.misfits.push({ at: pointerTo(place), expected });
    return NO;
  }

  #spend(steps: number): boolean {
    this.#left -= steps;
    return this.#left >= 0;
  }
}
