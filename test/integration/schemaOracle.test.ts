import { Ajv2019 } from "ajv/dist/2019.js";
import { Ajv2020 } from "ajv/dist/2020.js";
import { Ajv } from "ajv";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { NO, YES, type Fit } from "../../src/mcp/schema/Fit.ts";
import type { Dialect } from "../../src/mcp/schema/dialect.ts";
import { Judge } from "../../src/mcp/schema/Judge.ts";
import { runs, timeLimitMs } from "../support/runs.ts";

const options = {
  strict: false,
  validateFormats: false,
  logger: false,
  validateSchema: false,
  ownProperties: true,
} as const;
const ORACLES = { "2020-12": Ajv2020, "2019-09": Ajv2019, "draft-07": Ajv } as const;

const key = fc.constantFrom("a", "b", "c", "__proto__", "constructor");
const scalar = fc.oneof(
  fc.constantFrom<unknown>(null, true, false, 0, 1, 2, 1.5, -3, "", "a", "bb", "5", "\u{1f600}\u{1f600}", "[1]"),
  fc.integer({ min: -4, max: 6 }),
);
const { value } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    scalar,
    fc.array(tie("value"), { maxLength: 4 }),
    fc.dictionary(key, tie("value"), { maxKeys: 4 }),
  ),
}));

const scalarNumber = fc.constantFrom(-1, 0, 1, 1.5, 2, 4);
const type = fc.constantFrom("string", "number", "integer", "boolean", "array", "object", "null");
const count = fc.integer({ min: 0, max: 3 });
const { schema } = fc.letrec<{ schema: unknown; keywords: object }>((tie) => {
  const one = tie("schema");
  const some = fc.array(one, { minLength: 1, maxLength: 3 });
  const optional = { requiredKeys: [] };
  return {
    schema: fc.oneof(
      { maxDepth: 4, withCrossShrink: true },
      { weight: 1, arbitrary: fc.boolean() },
      {
        weight: 6,
        arbitrary: tie("keywords"),
      },
    ),
    keywords: fc.oneof(
      fc.record({ type: fc.oneof(type, fc.uniqueArray(type, { minLength: 1, maxLength: 3 })) }),
      fc.record({ type: fc.constant("string"), minLength: count, maxLength: count }, optional),
      fc.record({ type, minimum: scalarNumber, maximum: scalarNumber, exclusiveMinimum: scalarNumber }, optional),
      fc.record({ exclusiveMaximum: scalarNumber, multipleOf: fc.constantFrom(1, 2, 0.5, 0.1, 3) }, optional),
      fc.record({ enum: fc.array(value, { minLength: 1, maxLength: 4 }) }),
      fc.record({ const: value }),
      fc.record({ type: fc.constant("object"), properties: fc.dictionary(key, one, { maxKeys: 3 }) }),
      fc.record({ required: fc.uniqueArray(key, { maxLength: 2 }), additionalProperties: one }, optional),
      fc.record({ properties: fc.dictionary(key, one, { maxKeys: 3 }), additionalProperties: one }, optional),
      fc.record({ minProperties: count, maxProperties: count, propertyNames: one }, optional),
      fc.record({ dependentRequired: fc.dictionary(key, fc.uniqueArray(key, { maxLength: 2 }), { maxKeys: 2 }) }),
      fc.record({ dependentSchemas: fc.dictionary(key, one, { maxKeys: 2 }) }),
      fc.record({ dependencies: fc.dictionary(key, one, { maxKeys: 2 }) }),
      fc.record({ patternProperties: fc.dictionary(fc.constantFrom("^a", "b"), one, { maxKeys: 2 }) }),
      fc.record({ properties: fc.dictionary(key, one), unevaluatedProperties: one }),
      fc.record({ items: one, minItems: count, maxItems: count, uniqueItems: fc.boolean() }, optional),
      fc.record({ prefixItems: some, items: one }, { requiredKeys: ["prefixItems"] }),
      fc.record({ items: some, additionalItems: one }, { requiredKeys: ["items"] }),
      fc.record({ contains: one, minContains: count, maxContains: count }, { requiredKeys: ["contains"] }),
      fc.record({ prefixItems: some, unevaluatedItems: one }),
      fc.record({ pattern: fc.constantFrom("^a", "b+$", "^\\d$"), format: fc.constant("date") }, optional),
      fc.record({ allOf: some }),
      fc.record({ anyOf: some }),
      fc.record({ oneOf: some }),
      fc.record({ not: one }),
      fc.record({ if: one, else: one }, { requiredKeys: ["if"] }),
      fc
        .tuple(one, one)
        .map(([condition, then]) => JSON.parse(`{"if":${JSON.stringify(condition)},"then":${JSON.stringify(then)}}`)),
      fc.record(
        { $ref: fc.constantFrom("#/$defs/x", "#/$defs/y", "#/properties/a"), minimum: scalarNumber },
        {
          requiredKeys: ["$ref"],
        },
      ),
    ),
  };
});
const document = fc
  .tuple(schema, schema, schema, fc.dictionary(key, schema, { maxKeys: 2 }))
  .map(([root, x, y, properties]) => ({
    ...(typeof root === "object" ? root : { not: !root }),
    $defs: { x, y },
    ...(typeof root === "object" && !Object.hasOwn(root as object, "properties") && { properties }),
  }));

/** As it comes out of a parser. */
function asJson<T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T> {
  return arbitrary.map((made) => JSON.parse(JSON.stringify(made)) as T);
}

/** What ajv says; `undefined` where it takes the schema for none. */
function oracleOf(dialect: Dialect, document: object): ((value: unknown) => boolean) | undefined {
  try {
    return new ORACLES[dialect](options).compile(structuredClone(document)) as (value: unknown) => boolean;
  } catch {
    return undefined;
  }
}

describe.each(["2020-12", "2019-09", "draft-07"] as const)("in the dialect %s", (dialect) => {
  test(
    "what is refused ajv refuses as well, and what certainly fits it takes",
    { timeout: timeLimitMs(10_000) },
    () => {
      const counts = { refused: 0, invalid: 0, certain: 0, valid: 0 };
      fc.assert(
        fc.property(asJson(document), asJson(fc.array(value, { minLength: 4, maxLength: 8 })), (document, values) => {
          const oracle = oracleOf(dialect, document);
          fc.pre(oracle !== undefined);
          for (const value of values) {
            let isValid: boolean;
            try {
              isValid = oracle(value);
            } catch {
              // A reference that goes round in a circle.
              continue;
            }
            const fit: Fit = new Judge(document, dialect).judge(value);
            if (fit === NO) expect(isValid, JSON.stringify({ document, value })).toBe(false);
            if (fit === YES) expect(isValid, JSON.stringify({ document, value })).toBe(true);
            counts[isValid ? "valid" : "invalid"]++;
            if (fit === NO) counts.refused++;
            if (fit === YES) counts.certain++;
          }
        }),
        { numRuns: runs(100, 20_000) },
      );
      expect(counts.refused).toBeGreaterThan(counts.invalid * 0.7);
      expect(counts.certain).toBeGreaterThan(counts.valid * 0.6);
    },
  );
});
