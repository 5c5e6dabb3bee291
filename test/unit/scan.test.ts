import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { membersOf } from "../../src/mcp/members.ts";
import { endOfString, scan } from "../../src/mcp/scan.ts";
import { SseReader } from "../../src/mcp/SseReader.ts";
import { withId } from "../../src/mcp/withId.ts";
import { withoutTools } from "../../src/mcp/withoutTools.ts";

const exact = (text: string) => scan(text, 64).exact;

/** JSON text of a value, with the given runs of white space wherever JSON allows some. */
function spaced(value: unknown, space: () => string): string {
  if (Array.isArray(value))
    return `[${space()}${value.map((item) => spaced(item, space)).join(`${space()},${space()}`)}${space()}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const members = Object.entries(value).map(
    ([key, item]) => `${JSON.stringify(key)}${space()}:${space()}${spaced(item, space)}`,
  );
  return `{${space()}${members.join(`${space()},${space()}`)}${space()}}`;
}

function depthOf(value: unknown): number {
  if (value === null || typeof value !== "object") return 0;
  return 1 + Math.max(0, ...Object.values(value).map(depthOf));
}

function numbersOf(value: unknown): number[] {
  if (typeof value === "number") return [value];
  return value === null || typeof value !== "object" ? [] : Object.values(value).flatMap(numbersOf);
}

/** Text that is hard to cut: quotes, backslashes, braces. */
const tricky = fc.string({
  unit: fc.constantFrom('"', "\\", "{", "}", "[", "]", ":", ",", " ", "a", "é", "\n", "\u2028", "😀"),
  maxLength: 8,
});
const json = fc.oneof(
  fc.jsonValue(),
  fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 4 },
      tricky,
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      tie("list"),
      tie("object"),
    ),
    list: fc.array(tie("value"), { maxLength: 4 }),
    object: fc.dictionary(tricky, tie("value"), { maxKeys: 4 }),
  })).value,
);
const spaces = fc.infiniteStream(fc.constantFrom("", "", " ", "\n", "\t\r\n  "));

describe("scan", () => {
  test("nesting is allowed up to the bound and not beyond", () => {
    for (const [open, close] of [
      ["[", "]"],
      ['{"a":', "}"],
    ] as const) {
      const nested = (levels: number) => open.repeat(levels) + "1" + close.repeat(levels);
      expect(scan(nested(64), 64).tooDeep).toBe(false);
      expect(scan(nested(65), 64)).toEqual({ tooDeep: true, exact: false, duplicates: false });
    }
  });

  test("thousands of levels are read without recursion", () => {
    const text = "[".repeat(3_000) + "]".repeat(3_000);
    expect(scan(text, 64).tooDeep).toBe(true);
    expect(scan(text, 3_000)).toEqual({ tooDeep: false, exact: true, duplicates: false });
    expect(scan('{"a":'.repeat(500_000), 1_000_000).tooDeep).toBe(false);
  });

  test("brackets within strings do not nest", () => {
    expect(scan(JSON.stringify(["[".repeat(100), '\\"{'.repeat(100)]), 1).tooDeep).toBe(false);
  });

  test("siblings do not nest", () => {
    expect(scan(`[${"[],{},".repeat(100)}1]`, 2)).toEqual({ tooDeep: false, exact: true, duplicates: false });
  });

  test.each([
    '{"a":1,"a":1}',
    '{"a":1,"b":2,"a":3}',
    '{"a":1,"\\u0061":2}',
    '{"\\u0061":1,"a":2}',
    '{"\\u0061":1,"\\u0061":2}',
    '{"\\u00e9":1,"é":2}',
    '{"\\u00E9":1,"\\u00e9":2}',
    '{"/":1,"\\/":2}',
    '{"\\t":1,"\\u0009":2}',
    '{"":1,"":2}',
    '{"a":{"b":{},"b":[]}}',
    '[{"a":[1],"a":2}]',
    '{"a":{"x":1},"b":[],"a" : 2}',
    '{"\\ud83d\\ude00":1,"😀":2}',
    '{"__proto__":1,"__proto__":2}',
  ])("%s has a key twice", (text) => {
    JSON.parse(text);
    expect(scan(text, 64)).toEqual({ tooDeep: false, exact: false, duplicates: true });
  });

  test.each([
    '{"a":1,"b":1}',
    '{"a":{"a":{"a":1}}}',
    '[{"a":1},{"a":1}]',
    '{"a":"a","b":"a"}',
    '{"a":["a","a",{"a":1}],"b":1}',
    '{"a":1,"A":2}',
    '{"a\\\\":1,"a":2}',
    '{"a":"x:y","b":": a :"}',
    '{"constructor":1,"__proto__":2}',
  ])("%s has no key twice", (text) => {
    expect(scan(text, 64)).toEqual({ tooDeep: false, exact: true, duplicates: false });
  });

  test.each(["0", "-0", "1", "-1", "1.0", "1.50", "0.1", "1e3", "1E+3", "12.5e-1", "100e-2", "0e5", "0.0e-7"])(
    "the number %s is held as written",
    (number) => {
      expect(exact(number)).toBe(true);
      expect(exact(`{"a":[${number}]}`)).toBe(true);
    },
  );

  test.each([
    "9007199254740991",
    "-9007199254740991",
    "900719925474099.1",
    "5e-324",
    "1.7976931348623157e-300",
    "0.30000000000000004",
  ])("the number %s is held as written, though its digits are many", (number) => {
    expect(exact(number)).toBe(true);
  });

  test.each([
    "9007199254740992",
    "9007199254740993",
    "-9007199254740993",
    "1e16",
    "1e308",
    "1e400",
    "-1e400",
    "1e-400",
    "0.1000000000000000055",
    "9007199254740990.5",
    "0.30000000000000002",
    "123456789.123456789123",
  ])("the number %s is not", (number) => {
    expect(exact(number)).toBe(false);
    expect(scan(`{"a":{"b":[0,${number}]}}`, 64)).toEqual({ tooDeep: false, exact: false, duplicates: false });
    expect(exact(`{"a":"${number}"}`)).toBe(true);
  });

  test("a number of a million digits is refused without looking at each digit again and again", () => {
    const zeros = "0".repeat(1_000_000);
    for (const number of [`0.1${zeros}1`, `1${zeros}1`, `-0.${zeros}1`, `1e${zeros}1`, `1.${zeros}`])
      expect(exact(`[${number}]`)).toBe(false);
  });

  test("a JSON value within the bounds is not too deep, and exact where its numbers are", () => {
    fc.assert(
      fc.property(json, spaces, (value, stream) => {
        const text = spaced(value, () => stream.next().value!);
        const depth = depthOf(value);
        const safe = numbersOf(value).every((number) => Math.abs(number) <= Number.MAX_SAFE_INTEGER);
        expect(scan(text, depth)).toEqual({ tooDeep: false, exact: safe, duplicates: false });
        if (depth > 0) expect(scan(text, depth - 1).tooDeep).toBe(true);
      }),
      { numRuns: 1_000 },
    );
  });

  test("a decimal is held exactly where no shorter double stands in for it", () => {
    const digits = fc.bigInt({ min: 0n, max: 10n ** 20n });
    fc.assert(
      fc.property(digits, fc.integer({ min: -25, max: 5 }), (whole, power) => {
        const number = `${whole}e${power}`;
        const value = Number(number);
        // An independent reading: the double's shortest spelling, taken apart into an integer and a power of ten.
        const [mantissa, exponent = "0"] = value.toExponential().split("e");
        const fraction = mantissa!.split(".")[1] ?? "";
        const [left, right] = [
          { n: whole, p: power },
          { n: BigInt(mantissa!.replace(".", "")), p: Number(exponent) - fraction.length },
        ];
        const least = Math.min(left.p, right.p);
        const same = left.n * 10n ** BigInt(left.p - least) === right.n * 10n ** BigInt(right.p - least);
        expect(exact(number)).toBe(same && value <= Number.MAX_SAFE_INTEGER);
      }),
      { numRuns: 1_000 },
    );
  });

  test("any text at all is read without an error", () => {
    const noise = fc.string({
      unit: fc.constantFrom('"', "\\", "{", "}", "[", "]", ":", ",", "-", "1", "e", ".", "+", " ", "a"),
      maxLength: 40,
    });
    fc.assert(
      fc.property(fc.oneof(fc.string(), noise, fc.string({ unit: "binary" })), (text) => {
        const { tooDeep, exact: isExact, duplicates } = scan(text, 8);
        expect([tooDeep, isExact, duplicates].every((said) => typeof said === "boolean")).toBe(true);
        if (tooDeep || duplicates) expect(isExact).toBe(false);
      }),
      { numRuns: 2_000 },
    );
  });

  test("a text with a key given twice is never exact", () => {
    fc.assert(
      fc.property(fc.dictionary(tricky, fc.jsonValue(), { minKeys: 1 }), fc.nat(), spaces, (object, pick, stream) => {
        const keys = Object.keys(object);
        const key = keys[pick % keys.length]!;
        const escaped = `"${Array.from({ length: key.length }, (_, at) => `\\u${key.charCodeAt(at).toString(16).padStart(4, "0")}`).join("")}"`;
        const text = spaced(object, () => stream.next().value!);
        expect(scan(`${text.slice(0, -1)},${escaped}:0}`, 64)).toMatchObject({ exact: false, duplicates: true });
      }),
      { numRuns: 300 },
    );
  });
});

describe("the end of a string", () => {
  test("an escaped quote does not end it, an escaped backslash does", () => {
    expect(endOfString('"ab" "c"', 0)).toBe(4);
    expect(endOfString('"a\\"b"x', 0)).toBe(6);
    expect(endOfString('"a\\\\"b"', 0)).toBe(5);
    expect(endOfString('x"\\\\\\""', 1)).toBe(7);
    expect(endOfString('""', 0)).toBe(2);
  });

  test("a string that never closes ends with the text", () => {
    for (const text of ['"', '"abc', '"abc\\"', '"\\']) expect(endOfString(text, 0)).toBe(text.length);
  });

  test("it is where the JSON string ends", () => {
    fc.assert(
      fc.property(tricky, tricky, (string, after) => {
        const text = JSON.stringify(string);
        expect(endOfString(text + after, 0)).toBe(text.length);
      }),
    );
  });
});

describe("members", () => {
  const read = (text: string) =>
    membersOf(text, text.indexOf("{")).map(({ key, start, valueStart, end }) => [
      key,
      text.slice(start, valueStart),
      text.slice(valueStart, end),
    ]);

  test("a member is cut from its key's quote to the end of its value", () => {
    expect(read(' { "a" : 1 , "b":[1, {"c":2}] ,"d":" }, \\"" , "e":{ } } tail')).toEqual([
      ["a", '"a" : ', "1"],
      ["b", '"b":', '[1, {"c":2}]'],
      ["d", '"d":', '" }, \\""'],
      ["e", '"e":', "{ }"],
    ]);
    expect(read("{}")).toEqual([]);
    expect(read("{ \n }")).toEqual([]);
  });

  test("values keep their spelling, keys are read", () => {
    expect(
      read('{"\\u0061":1.0,"b":9007199254740993,"c":"\\u00e9","d":null,"e":-1E+2,"f":true}').map(([key, , value]) => [
        key,
        value,
      ]),
    ).toEqual([
      ["a", "1.0"],
      ["b", "9007199254740993"],
      ["c", '"\\u00e9"'],
      ["d", "null"],
      ["e", "-1E+2"],
      ["f", "true"],
    ]);
  });

  test("a key given twice is two members", () => {
    expect(read('{"a":1,"a":2}').map(([key, , value]) => [key, value])).toEqual([
      ["a", "1"],
      ["a", "2"],
    ]);
  });

  test("text that ends inside the object is an error", () => {
    for (const text of ["{", '{"a"', '{"a":', '{"a":1', '{"a":"x', '{"a":[1}', '{"a":{"b":1}'])
      expect(() => membersOf(text, 0)).toThrow(SyntaxError);
  });

  test("the members of any object are its members, in its order", () => {
    const object = fc.dictionary(fc.oneof(tricky, fc.string()), json, { maxKeys: 8 });
    fc.assert(
      fc.property(object, spaces, fc.nat({ max: 3 }), (value, stream, nesting) => {
        const inner = spaced(value, () => stream.next().value!);
        const before = '{"a":['.repeat(nesting);
        const text = `${before}${inner}${"]}".repeat(nesting)}`;
        const members = membersOf(text, before.length);
        expect(members.map(({ key }) => key)).toEqual(Object.keys(value));
        for (const { key, start, valueStart, end } of members) {
          expect(JSON.parse(text.slice(valueStart, end))).toStrictEqual(JSON.parse(JSON.stringify(value[key])));
          expect(JSON.parse(`{${text.slice(start, end)}}`)).toStrictEqual(
            JSON.parse(JSON.stringify({ [key]: value[key] })),
          );
          expect(text.slice(valueStart, end)).toBe(text.slice(valueStart, end).trim());
        }
      }),
      { numRuns: 1_000 },
    );
  });
});

describe("another id", () => {
  test("replaces the one that stands there, and nothing else", () => {
    expect(withId('{ "jsonrpc":"2.0", "id" : 12 ,"result":{"id":1.0}}', "a")).toBe(
      '{ "jsonrpc":"2.0", "id" : "a" ,"result":{"id":1.0}}',
    );
    expect(withId('{"result":{},"\\u0069d":"}\\""}', 5)).toBe('{"result":{},"\\u0069d":5}');
    expect(withId('{"jsonrpc":"2.0","error":{}}', null)).toBe('{"id":null,"jsonrpc":"2.0","error":{}}');
  });

  test("is what any reader then finds, beside an unchanged rest", () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.oneof(fc.string(), fc.constant("id")), json, { minKeys: 1 }),
        fc.oneof(fc.integer(), fc.string()),
        (message, id) => {
          const changed = JSON.parse(withId(JSON.stringify(message), id)) as Record<string, unknown>;
          expect(changed).toStrictEqual(JSON.parse(JSON.stringify({ ...message, id })));
        },
      ),
    );
  });
});

describe("a list without some tools", () => {
  const reply =
    '{"id":1,"result":{"tools":[{"name":"a","x":1.0},{"name":"b"},null,{"name":5}],"nextCursor":"c","n":9007199254740993}}';

  test("has the others in their order, and its other members as they were", () => {
    const shown = withoutTools(reply, (name) => name === "b");
    expect(JSON.parse(shown)).toEqual({
      id: 1,
      result: { tools: [{ name: "a", x: 1 }, null, { name: 5 }], nextCursor: "c", n: 2 ** 53 },
    });
    expect(shown).toContain('"nextCursor":"c","n":9007199254740993}}');
    expect(JSON.parse(withoutTools(reply, () => true))).toMatchObject({ result: { tools: [null, { name: 5 }] } });
  });

  test("is the very same text where none is hidden, or there is no list", () => {
    expect(withoutTools(reply, () => false)).toBe(reply);
    for (const other of ['{"error":{}}', '{"result":{"tools":{}}}', '{"result":null}', "[]"])
      expect(withoutTools(other, () => true)).toBe(other);
  });
});

describe("server-sent events", () => {
  const read = (...pieces: string[]) => {
    const reader = new SseReader();
    return pieces.flatMap((piece) => [...reader.push(piece)]);
  };

  test("the data of each event is given, everything else is passed over", () => {
    expect(
      read(
        ": hello\n\nid: 1\nevent: message\ndata: a\ndata:b\ndata:  c\n\ndata\n\nretry: 5\n\ndatax: no\n\ndata: open",
      ),
    ).toEqual(["a\nb\n c", ""]);
    expect(read("data: a\r\n\r\ndata: b\r\rdata: c\n\n")).toEqual(["a", "b", "c"]);
  });

  test("an event is given as soon as its empty line has ended, however that ends", () => {
    const reader = new SseReader();
    expect([...reader.push("data: a\r")]).toEqual([]);
    expect([...reader.push("\n\r")]).toEqual(["a"]);
    expect([...reader.push("\ndata: b\n")]).toEqual([]);
    expect([...reader.push("")]).toEqual([]);
    expect([...reader.push("\n")]).toEqual(["b"]);
  });

  test("what is held is counted until its event is complete", () => {
    const reader = new SseReader();
    const held = (piece: string) => {
      reader.push(piece).next();
      return reader.held;
    };
    expect(["data: abc", "d", "\n", ": x", "\ndata:ef", "\n", "\n"].map(held)).toEqual([9, 10, 5, 8, 12, 8, 0]);
  });

  test("long lines in small pieces, and many lines in one, are read in one go", () => {
    const reader = new SseReader();
    for (let piece = 0; piece < 8_000; piece++)
      expect(reader.push(piece === 0 ? "data:" : "x".repeat(1_000)).next().done).toBe(true);
    expect([...reader.push("\n\n")]).toEqual(["x".repeat(7_999_000)]);
    expect([...reader.push("data:y\n".repeat(500_000) + "\n")].map((data) => data.length)).toEqual([999_999]);
  });

  test("where the text was cut into pieces does not matter", () => {
    const line = fc.constantFrom("data: x", "data:y", "data", ": c", "", "", "id: 1", 'data: {"a":1}');
    const stream = fc
      .array(fc.tuple(line, fc.constantFrom("\n", "\r\n")), { maxLength: 12 })
      .map((lines) => lines.flat().join("") + "\n\n");
    fc.assert(
      fc.property(stream, fc.array(fc.nat({ max: 8 }), { maxLength: 30 }), (text, cuts) => {
        const pieces: string[] = [];
        let from = 0;
        for (const cut of cuts) {
          pieces.push(text.slice(from, from + cut));
          from += cut;
        }
        expect(read(...pieces, text.slice(from))).toEqual(read(text));
        const blocks = text.replaceAll("\r\n", "\n").split("\n\n").length;
        expect(read(text).length).toBeLessThanOrEqual(blocks);
      }),
      { numRuns: 500 },
    );
  });
});
