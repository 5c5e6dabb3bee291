import { describe, expect, test } from "vitest";
import type { AnswerShape } from "../../src/config/mirror.ts";
import { FoundRow } from "../../src/mirror/FoundRow.ts";
import { refuse, shapeAnswer, type Findings } from "../../src/mirror/shapeAnswer.ts";

const row = (value: unknown, key = "k") => new FoundRow(key, JSON.stringify(value), null);
const NOTHING: Findings = { args: {}, lookups: new Map(), rows: [] };
const shape = (value: unknown, more: Partial<AnswerShape> = {}): AnswerShape => ({
  value,
  isStructured: true,
  text: "json",
  ...more,
});
/** What a shape makes of findings. */
const valueOf = (value: unknown, findings: Partial<Findings> = {}): unknown => {
  const result = shapeAnswer(shape(value), { ...NOTHING, ...findings });
  return result && (JSON.parse(`{${result.body}}`) as { structuredContent: unknown }).structuredContent;
};

describe("an answer", () => {
  test("has a row as it was stored, without parsing it", () => {
    // What JSON cannot say twice is told as it stands.
    const body = '{"b":1.0,"2":"\\u00e9","1":[ ],"b":2}';
    const stored = new FoundRow("k", body, null);
    const whole = shapeAnswer(shape("{row}"), { ...NOTHING, rows: [stored], row: stored })!;
    expect(whole).toEqual({
      body: `"content":[{"type":"text","text":${JSON.stringify(body)}}],"structuredContent":${body}`,
      isError: false,
    });
    const all = shapeAnswer(shape({ rows: { each: "{row}" } }), { ...NOTHING, rows: [stored, row([1])] })!;
    expect(all.body).toContain(`"structuredContent":{"rows":[${body},[1]]}`);
    expect(new FoundRow("k", "no JSON", null).body).toBe("no JSON");
  });

  test("is text and structured content, as the operator says", () => {
    const found = { ...NOTHING, args: { n: 1 } };
    const value = { n: "{args.n}" };
    const bodyOf = (more: Partial<AnswerShape>) => shapeAnswer(shape(value, more), found)!.body;
    expect(bodyOf({ text: "none" })).toBe('"content":[],"structuredContent":{"n":1}');
    expect(bodyOf({ isStructured: false })).toBe('"content":[{"type":"text","text":"{\\"n\\":1}"}]');
    expect(bodyOf({ text: "indented", isStructured: false })).toBe(
      '"content":[{"type":"text","text":"{\\n  \\"n\\": 1\\n}"}]',
    );
    expect(bodyOf({ text: { template: 'n is {args.n}, {{not}} "{args.m}"' } })).toBe(
      '"content":[{"type":"text","text":"n is 1, {not} \\"\\""}],"structuredContent":{"n":1}',
    );
  });

  test("that would be too long to be held, as each row names what the call gives, is none", () => {
    const rows = Array.from({ length: 1_000 }, (_, id) => row({ id }));
    const long = { rows, args: { note: "x".repeat(1_000_000) } };
    for (const each of ["{args.note}", "of {args.note}", { deep: [{ each: "{args.note}" }] }]) {
      expect(valueOf({ all: { each } }, long)).toBeUndefined();
    }
    expect(valueOf({ all: { each: "{row.id}" }, note: "{args.note}" }, long)).toMatchObject({ note: long.args.note });
  });

  test("that would be too long to be held once it is indented is none", () => {
    const text = (body: string) => {
      const found = new FoundRow("k", body, null);
      const result = shapeAnswer(shape("{row}", { text: "indented", isStructured: false }), { ...NOTHING, row: found });
      return result && (JSON.parse(`{${result.body}}`) as { content: [{ text: string }] }).content[0].text;
    };
    const nested = (depth: number, inside = "1") => `{"a":${"[".repeat(depth)}${inside}${"]".repeat(depth)}}`;
    expect(text(nested(1_000))).toBe(JSON.stringify(JSON.parse(nested(1_000)), null, 2));
    expect(text(nested(10_000))).toBeUndefined();
    expect(text(nested(100, `1${",1".repeat(400_000)}`))).toBeUndefined();
    const marks = JSON.stringify({ "[{,": "[".repeat(900_000), '\\"': [[], {}] });
    expect(text(marks)).toBe(JSON.stringify(JSON.parse(marks), null, 2));
  });

  test("keeps the types of what stands alone, and is text where it stands in text", () => {
    const value = { n: 1.5, s: 'a"b', t: true, z: null, list: ["x", 2, { y: 1 }], o: { "a b": 1, c: [] }, e: "" };
    const one = { row: row(value), rows: [row(value)] };
    const same = Object.keys(value).map((name) => [name, `{row.${name}}`]);
    expect(valueOf(Object.fromEntries(same), one)).toEqual(value);
    const texts = Object.keys(value).map((name) => [name, `<{row.${name}}>`]);
    expect(valueOf(Object.fromEntries(texts), one)).toEqual({
      n: "<1.5>",
      s: '<a"b>',
      t: "<true>",
      z: "<null>",
      list: '<["x",2,{"y":1}]>',
      o: '<{"a b":1,"c":[]}>',
      e: "<>",
    });
    expect(
      valueOf(
        {
          a: "{row.list|join}",
          b: "{row.o|keys}",
          c: "{row.s|json}",
          d: "{row.list|json}!",
          e: "{row.n|join}",
          f: "{row.n|keys}",
        },
        one,
      ),
    ).toEqual({ a: 'x, 2, {"y":1}', b: "a b, c", c: '"a\\"b"', d: '["x",2,{"y":1}]!', e: "1.5", f: "" });
    expect(valueOf(["{row.list.1}", "{row.list.2.y}", "{row.o.c}", 7, null, false, "plain", "{{}}"], one)).toEqual([
      2,
      1,
      [],
      7,
      null,
      false,
      "plain",
      "{}",
    ]);
  });

  test("leaves out what is not there, and what is inherited", () => {
    const one = { row: row({ a: { b: 1 } }), rows: [], args: { x: "1" } };
    const names = [
      "{row.b}",
      "{row.a.b.c}",
      "{row.toString}",
      "{row.__proto__}",
      "{args.y}",
      "{args.constructor}",
      "{total}",
      "{next}",
      "{none}",
      "{row.b|join}",
    ];
    expect(valueOf({ ...names, there: "{row.a.b}" }, one)).toEqual({ there: 1 });
    expect(valueOf(names, one)).toEqual([]);
    expect(valueOf({ text: names.join("") }, one)).toEqual({ text: "" });
    expect(valueOf("{row.b}", one)).toBeUndefined();
  });

  test("has members as they are called, whatever that is", () => {
    const value = JSON.parse('{"__proto__":"{row.__proto__}","a\\"b":{"each":"{row.x}","more":1},"":[]}') as object;
    const one = { row: new FoundRow("k", '{"__proto__":{"x":1},"x":2}', null) };
    const result = shapeAnswer(shape(value), { ...NOTHING, ...one })!;
    expect(result.body).toContain('"structuredContent":{"__proto__":{"x":1},"a\\"b":{"each":2,"more":1},"":[]}');
  });

  test("words each row, within what is said once", () => {
    const rows = [row({ id: 1, in: "x" }, "1"), row({ id: 2 }, "2")];
    const lookups = new Map<string, FoundRow | unknown[]>([
      ["place", row({ name: "P", tags: ["a", "b"] })],
      ["known", ["x", 1, { y: null }]],
    ]);
    expect(
      valueOf(
        {
          items: { each: { id: "{row.id}", at: "{place.name}/{row.in}", where: { in: "{row.in}" } } },
          ids: { each: "{row.id}" },
          total: "{total}",
          count: "{count}",
          next: "{next}",
          place: "{place}",
          known: "{known}",
          text: "{count} of {total} in {place.name}: {known|join}; {place.tags|join}",
        },
        { rows, lookups, total: 9, next: "er1.x" },
      ),
    ).toEqual({
      items: [
        { id: 1, at: "P/x", where: { in: "x" } },
        { id: 2, at: "P/", where: {} },
      ],
      ids: [1, 2],
      total: 9,
      count: 2,
      next: "er1.x",
      place: { name: "P", tags: ["a", "b"] },
      known: ["x", 1, { y: null }],
      text: '2 of 9 in P: x, 1, {"y":null}; a, b',
    });
    expect(valueOf({ each: "{row}" }, { rows: [] })).toEqual([]);
  });
});

test("a refusal says nothing but text, an error or not", () => {
  const found = { ...NOTHING, args: { id: 'a"', list: [1] }, lookups: new Map([["f", row({ s: { x: 1, y: 2 } })]]) };
  expect(
    refuse({ text: "No {args.id|json} in {args.list}: {f.s|keys}, {f.none|json}.", isError: true }, found),
  ).toEqual({
    body: '"content":[{"type":"text","text":"No \\"a\\\\\\"\\" in [1]: x, y, ."}],"isError":true',
    isError: true,
  });
  expect(refuse({ text: "None.", isError: false }, found)).toEqual({
    body: '"content":[{"type":"text","text":"None."}]',
    isError: false,
  });
});
