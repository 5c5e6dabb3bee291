import { describe, expect, test } from "vitest";
import { inputSchemas } from "../../src/mcp/inputSchemas.ts";
import { fits } from "../../src/mcp/schema/fits.ts";
import { misfits } from "../../src/mcp/schema/misfits.ts";

const object = (properties: object, more: object = {}) => ({ type: "object", properties, ...more });
/** What is told of one argument, `x`, by its schema. */
const told = (schema: unknown, x: unknown, root: object = {}) =>
  misfits(object({ x: schema }, root), { x }).map(({ at, expected }) => `${at} ${expected}`);

describe("what a schema certainly does not allow is told, with its place", () => {
  test.each<[string, unknown, unknown, string]>([
    ["a type", { type: "integer" }, "five", "must be a whole number"],
    ["a number that is not whole", { type: "integer" }, 1.5, "must be a whole number"],
    ["one of two types", { type: ["string", "null"] }, [1], "must be a string or null"],
    ["an enum", { enum: ["eu", "us", 3] }, "mars", 'must be one of "eu", "us", 3'],
    ["a const", { const: { a: [1] } }, { a: [2] }, 'must be {"a":[1]}'],
    ["a minimum", { minimum: 3 }, 2, "must be at least 3"],
    ["a maximum", { maximum: 3 }, 3.1, "must be at most 3"],
    ["an exclusive minimum", { exclusiveMinimum: 3 }, 3, "must be more than 3"],
    ["an exclusive maximum", { exclusiveMaximum: 3 }, 3, "must be less than 3"],
    ["a multiple", { multipleOf: 5 }, 12, "must be a multiple of 5"],
    ["too short a text", { minLength: 5 }, "\u{1f600}\u{1f600}", "must have at least 5 characters"],
    ["too long a text", { maxLength: 1 }, "ab", "must have at most 1 characters"],
    ["too long a text however it is counted", { maxLength: 1 }, " \u{1f600}b ", "must have at most 1 characters"],
    ["too few items", { minItems: 1 }, [], "must have at least 1 items"],
    ["too many items", { maxItems: 1 }, [1, 2], "must have at most 1 items"],
    [
      "nothing of what an array must contain",
      { contains: { type: "null" } },
      [1],
      "must contain such items as the schema says",
    ],
    ["too few members", { minProperties: 1 }, {}, "must have at least 1 members"],
    [
      "what anyOf has no type for",
      { anyOf: [{ type: "integer" }, { type: "null" }] },
      "five",
      "must be a whole number or null",
    ],
    [
      "what anyOf has no form for",
      { anyOf: [{ const: 1 }, { required: ["a"], type: "object" }] },
      {},
      "must have one of the forms that the schema allows",
    ],
    [
      "what oneOf has no form for",
      { oneOf: [{ maximum: 1 }, { minimum: 3 }] },
      2,
      "must have one of the forms that the schema allows",
    ],
    ["what is excluded", { not: { const: 1 } }, 1, "must not be what the schema excludes"],
    [
      "what a condition asks for",
      JSON.parse('{"if":{"minimum":3},"then":{"multipleOf":2}}'),
      5,
      "must be a multiple of 2",
    ],
    ["what it asks for otherwise", { if: { minimum: 3 }, else: { multipleOf: 2 } }, 1, "must be a multiple of 2"],
    ["what one of allOf does not allow", { allOf: [{}, { maximum: 1 }] }, 2, "must be at most 1"],
    ["what a reference leads to", { $ref: "#/$defs/a~1b/%7E0" }, [2], "must be a string"],
    ["what stands beside a reference", { $ref: "#/$defs/any", maximum: 1 }, 2, "must be at most 1"],
    ["anything where nothing is allowed", false, 1, "must not be there"],
  ])("%s", (_, schema, x, expected) => {
    const $defs = { "a/b": { "~0": { type: "string" }, "~": { type: "string" } }, any: true };
    expect(told(schema, x, { $defs })).toEqual([`/x ${expected}`]);
  });

  test("the place is a JSON pointer, however deep", () => {
    const schema = object({ list: { items: object({ "a/b~c": { type: "boolean" } }) } });
    expect(misfits(schema, { list: [{}, { "a/b~c": {} }] })).toEqual([
      { at: "/list/1/a~1b~0c", expected: "must be true or false" },
    ]);
  });

  test("what is missing is told by its name, also where something else asks for it", () => {
    expect(misfits(object({}, { required: ["q"], dependentRequired: { a: ["b"] } }), { a: 1 })).toEqual([
      { at: "/q", expected: "is missing" },
      { at: "/b", expected: "is missing" },
    ]);
    expect(misfits(object({}, { dependentSchemas: { a: { required: ["b"] } } }), { a: 1 })).toHaveLength(1);
  });

  test("a name that the schema does not allow, and a value that it allows under no other name", () => {
    const schema = { propertyNames: { enum: ["a", "b"] }, additionalProperties: { type: "number" } };
    expect(misfits(schema, { a: "x", c: 1 })).toEqual([
      { at: "/a", expected: "must be a number" },
      { at: "/c", expected: "has a name that the schema does not allow" },
    ]);
  });

  test("the first items, and the rest, in each dialect's own words", () => {
    const value = { x: [1, "a"] };
    const old = { items: [{ type: "number" }], additionalItems: { type: "null" } };
    const now = { prefixItems: [{ type: "number" }], items: { type: "null" } };
    const place = [{ at: "/x/1", expected: "must be null" }];
    expect(misfits(object({ x: now }), value)).toEqual(place);
    for (const draft of ["draft/2019-09", "draft-07"]) {
      expect(misfits(object({ x: old }, { $schema: `http://json-schema.org/${draft}/schema#` }), value)).toEqual(place);
    }
  });

  test("a few places and no more, and of long names and many values the beginning", () => {
    const names = Array.from({ length: 20 }, (_, nth) => `n${nth}`);
    expect(misfits({ required: names }, {})).toHaveLength(4);
    const key = "k".repeat(10_000);
    const choices = Array.from({ length: 500 }, (_, nth) => `${nth} ${"v".repeat(1_000)}`);
    const [place] = misfits(
      { additionalProperties: { additionalProperties: { enum: choices } } },
      { [key]: { [key]: "w" } },
    );
    expect(place!.at.length).toBeLessThan(200);
    expect(place!.expected.length).toBeLessThan(600);
  });

  test("never the value itself", () => {
    const secret = "hunter2-hunter2";
    const schemas = [
      { type: "number" },
      { enum: ["a"] },
      { maxLength: 3 },
      { const: 1 },
      { not: true },
      { anyOf: [{ const: 1 }] },
    ];
    for (const schema of schemas)
      expect(JSON.stringify(misfits(object({ x: schema }), { x: secret }))).toMatch(/^(?!.*hunter2).*"at"/);
  });
});

describe("what servers may take all the same is not refused:", () => {
  test.each<[string, unknown, unknown]>([
    ["a number of the form 1.0", { type: "integer" }, JSON.parse("1.0")],
    ["text that reads as a number", { type: "integer", minimum: 10 }, " 5 "],
    ["text that reads as one of the numbers", { type: "integer", enum: [1, 2] }, "2"],
    ["text that reads as true or false", { type: "boolean" }, "True"],
    ["0 and 1 for true and false", { type: "boolean" }, 1],
    ["another word for it", { type: "boolean" }, "enabled"],
    ["a number in hexadecimal", { type: "number" }, "0x1F"],
    ["a number as text that has to be text", { type: "string" }, 5],
    ["seconds for a date", { type: "string", format: "date-time" }, 1_700_000_000],
    ["a choice in other letters", { type: "string", enum: ["eu", "us"] }, "EU "],
    ["a choice that is text, as a number", { enum: ["1", "2"] }, 1],
    ["a list as text", { type: "array" }, " [1, 2]"],
    ["a list with commas", { type: "array", items: { type: "string" } }, "a,b"],
    ["one thing for a list of one", { type: "array", items: { type: "number" } }, 5],
    ["an item twice in a set", { type: "array", uniqueItems: true, maxItems: 2 }, ["a", "a", "b"]],
    ["a length in UTF-16 units", { minLength: 3 }, "\u{1f600}\u{1f600}"],
    ["a length in characters", { maxLength: 2 }, "\u{1f600}\u{1f600}"],
    ["a length without the spaces at the ends", { maxLength: 2 }, " \u{1f600}b\n"],
    ["what is there under another spelling of its name", object({}, { required: ["userId"] }), { user_id: 1 }],
    ["what is missing and has a default", object({ a: { default: 1 } }, { required: ["a"] }), {}],
    ["a length under not", { not: { minLength: 2 } }, "\u{1f600}"],
    ["an object as text", { anyOf: [{ type: "object" }, { type: "null" }] }, '{"a":1}'],
    ["null as text", { type: ["array", "null"] }, "null"],
    ["null", { type: "string", enum: ["a"] }, null],
    ["nothing, as text", { type: "number" }, ""],
    ["what a format does not describe", { type: "string", format: "email" }, "nobody"],
    ["what is no format under not", { not: { format: "email" } }, "nobody"],
    ["what a pattern does not match", { type: "string", pattern: "^a$" }, "b"],
    ["what a pattern matches under not", { not: { pattern: "^a$" } }, "a"],
    ["a member that is not known", object({}, { additionalProperties: false }), { y: 1 }],
    ["one that is not evaluated", object({}, { unevaluatedProperties: false }), { y: 1 }],
    [
      "one that a pattern may describe",
      { patternProperties: { "^x-": { type: "number" } }, additionalProperties: { type: "string" } },
      { y: 1 },
    ],
    ["what fits more than one of oneOf", { oneOf: [{ type: "number" }, { type: "integer" }] }, 1],
    ["a sum that doubles get wrong", { multipleOf: 0.1 }, 0.3],
    [
      "any value of a keyword that nobody knows",
      { "x-mcp-header": "Region", description: 1, default: "x", kind: false },
      1,
    ],
    ["what is only said of other types", { minLength: 3, minItems: 3, required: ["a"], minimum: 3 }, null],
    ["a bound that is no number", { minimum: "3", maxLength: {}, minItems: null }, 1],
    [
      "keywords of other forms than theirs",
      { required: "x", properties: [], enum: {}, anyOf: {}, allOf: 1, not: [], type: {} },
      {},
    ],
    ["a type that there is not", { type: "date" }, 1],
    ["a reference to another document", { $ref: "https://example.com/schema" }, 1],
    ["a reference to a name", { $ref: "#name" }, 1],
    ["a reference to nowhere", { $ref: "#/$defs/nothing/at/all" }, 1],
    ["a reference that cannot be read", { $ref: "#/%E0%A4%A" }, 1],
    ["a reference to what every object has", { $ref: "#/constructor/prototype" }, 1],
    ["what stands under an address of its own", { $id: "https://example.com/other", type: "string" }, [1]],
    ["a reference that only goes round", { $ref: "#/properties/x" }, 1],
    ["no schema at all", "string", 1],
  ])("%s", (_, schema, x) => {
    expect(told(schema, x)).toEqual([]);
  });

  test("a schema of a dialect that is not known here", () => {
    for (const $schema of ["http://json-schema.org/draft-04/schema#", "https://example.com/mine", 7]) {
      expect(misfits({ $schema, type: "object", required: ["q"] }, {})).toEqual([]);
    }
    expect(misfits({ $schema: "http://json-schema.org/draft-07/schema#", required: ["q"] }, {})).toHaveLength(1);
  });

  test("what a draft does not know", () => {
    const $schema = "http://json-schema.org/draft-07/schema#";
    const newer = { dependentRequired: { a: ["b"] }, dependentSchemas: { a: false }, prefixItems: [false] };
    expect(misfits({ $schema, ...newer }, { a: 1 })).toEqual([]);
    // There a reference hides what stands beside it.
    expect(
      misfits(
        { $schema, properties: { x: { $ref: "#/definitions/any", type: "string" } }, definitions: { any: {} } },
        { x: [1] },
      ),
    ).toEqual([]);
  });
});

describe("names that every object has", () => {
  test("are members only where they are written", () => {
    const schema = object(
      { constructor: { type: "string" }, toString: { type: "string" } },
      { required: ["hasOwnProperty"] },
    );
    expect(misfits(schema, {})).toEqual([{ at: "/hasOwnProperty", expected: "is missing" }]);
    expect(misfits(JSON.parse('{"properties":{"a":{"__proto__":{"type":"string"}}}}'), { a: 1 })).toEqual([]);
  });

  test("pollute nothing, and are nobody's schema", () => {
    const value = JSON.parse('{"__proto__":{"type":"string","polluted":1},"constructor":{"prototype":{"polluted":1}}}');
    const schema = JSON.parse(
      '{"properties":{"__proto__":{"type":"null"}},"additionalProperties":{"type":"object"},"__proto__":{"required":["q"]}}',
    );
    expect(misfits(schema, value)).toEqual([]);
    expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
  });
});

test("neither schema nor value is changed, so that what is sent on is what came", () => {
  const deepFrozen = (value: unknown): unknown => {
    if (typeof value === "object" && value !== null) Object.values(Object.freeze(value)).forEach(deepFrozen);
    return value;
  };
  const schema = object(
    { n: { type: "integer", default: 5 }, m: { $ref: "#/$defs/m" } },
    { $defs: { m: { type: "string" } } },
  );
  const value = { m: {} };
  expect(misfits(deepFrozen(schema), deepFrozen(value))).toHaveLength(1);
  expect(value).toEqual({ m: {} });
});

describe("a schema, or a value, that takes more looks than honest ones do", () => {
  const many = (length: number) => Array.from({ length }, (_, nth) => nth);
  const doubling = Object.fromEntries(
    many(60).map((nth) => [`d${nth}`, { allOf: [{ $ref: `#/$defs/d${nth + 1}` }, { $ref: `#/$defs/d${nth + 1}` }] }]),
  );
  let nested: unknown = { const: 0 };
  for (const _ of many(5_000)) nested = { not: { anyOf: [nested] } };
  test.each<[string, unknown, unknown]>([
    ["references that double", { $ref: "#/$defs/d0", $defs: { ...doubling, d60: { type: "string" } } }, 1],
    ["a reference to itself, twice at a time", { anyOf: [{ $ref: "#" }, { $ref: "#" }], $defs: {} }, { a: 1 }],
    ["a nest of exclusions", nested, 1],
    ["a regular expression that backtracks", { pattern: "^(a+)+$" }, `${"a".repeat(50_000)}!`],
    ["a value of many items, each another", { uniqueItems: true, contains: false }, many(20_000)],
    ["more choices than anybody would list", { enum: many(100_000) }, "x"],
    [
      "long text, counted over and over",
      { anyOf: many(20_000).map(() => ({ maxLength: 600_000 })) },
      "\u{1f600}".repeat(600_001),
    ],
    [
      "many members, looked at over and over",
      { anyOf: many(5_000).map(() => ({ minProperties: 9e9 })) },
      Object.fromEntries(many(10_000).map((nth) => [nth, nth])),
    ],
  ])("has an end, and is not judged: %s", (_, schema, x) => {
    expect(misfits(schema, x)).toEqual([]);
  });

  test("an honest schema and a large value are not too much", () => {
    const schema = object({ list: { items: object({ id: { type: "integer" } }, { required: ["id"] }) } });
    expect(misfits(schema, { list: [...many(2_000).map((id) => ({ id })), {}] })).toEqual([
      { at: "/list/2000/id", expected: "is missing" },
    ]);
  });
});

describe("a page of tools", () => {
  test("says each tool's schema, and where the list goes on", () => {
    const schema = object({});
    const page = inputSchemas({
      tools: [{ name: "a", inputSchema: schema }, { name: "__proto__" }, 1, { name: 2 }],
      nextCursor: "n",
    });
    expect([...page.schemas]).toEqual([
      ["a", schema],
      ["__proto__", undefined],
    ]);
    expect(page.next).toBe("n");
  });

  test("says nothing of a tool that is in it twice, nor of anything that is no page", () => {
    const { schemas } = inputSchemas({
      tools: [
        { name: "a", inputSchema: true },
        { name: "a", inputSchema: false },
      ],
    });
    expect(schemas.get("a")).toBeUndefined();
    for (const none of [undefined, null, [], { tools: {} }, { tools: [null], nextCursor: 1 }]) {
      expect(inputSchemas(none)).toEqual({ schemas: new Map(), next: undefined });
    }
  });
});

test.each<[string, unknown, unknown, boolean]>([
  ["what is as it says", object({ x: { type: "string", minLength: 1 } }, { required: ["x"] }), { x: "a" }, true],
  [
    "text that might break a pattern",
    object({ x: { type: "string", pattern: "^b$", format: "uuid" } }),
    { x: "a" },
    true,
  ],
  ["what some servers read as a number", object({ x: { type: "number" } }), { x: "5" }, false],
  ["null where text is wanted", object({ x: { type: "string" } }), { x: null }, false],
  ["what may have a default", object({ x: { default: 1 } }, { required: ["x"] }), {}, false],
  ["what is missing", object({}, { required: ["x"] }), {}, false],
  ["a member that nobody knows", object({}, { additionalProperties: false }), { x: 1 }, false],
  ["anything, by a dialect that nobody reads", { $schema: "https://example.com/mine" }, {}, false],
])("%s: whether it certainly fits", (_, schema, value, does) => {
  expect(fits(schema, value)).toBe(does);
});
