import canonicalize from "canonicalize";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { differenceOf, type Result } from "../../src/mirror/compare.ts";
import { runs } from "../support/runs.ts";

const text = (value: unknown) => ({ type: "text", text: typeof value === "string" ? value : JSON.stringify(value) });
const of = (value: unknown): Result => ({ content: [text(value)], structuredContent: value });
/** Each is parsed anew, as what is compared is taken apart. */
const differ = (ours: unknown, theirs: unknown, volatile: string[] = []) =>
  differenceOf(structuredClone(ours) as Result, structuredClone(theirs) as Result, volatile);

test("a place is cut where it is long, however members are named", () => {
  const name = `\u{1F600}${"n".repeat(100_000)}`;
  expect(differ(of({ [name]: 1 }), of({ [name]: 2 }))).toBe(`/content/0/text/${name}`.slice(0, 200));
  const odd = `${"n".repeat(183)}\u{1F600}`;
  expect(differ(of({ [odd]: 1 }), of({}))).toBe(`/content/0/text/${"n".repeat(183)}\uFFFD`);
});

describe("two results are the same", () => {
  test.each<[what: string, ours: Result, theirs: Result]>([
    ["whatever the order of members", of({ a: 1, b: { c: 2, d: 3 } }), of({ b: { d: 3, c: 2 }, a: 1 })],
    ["whatever their _meta and form", { ...of([]), _meta: { a: 1 } }, { ...of([]), resultType: "complete" }],
    ["where one says that it is no error", { ...of([]), isError: false }, of([])],
    ["however their JSON text is set", { content: [text('{"a":[1,2]}')] }, { content: [text('{ "a": [1, 2.0] }\n')] }],
    ["with members named as every object's are", of(JSON.parse('{"__proto__":1}')), of(JSON.parse('{"__proto__":1}'))],
  ])("%s", (_what, ours, theirs) => {
    expect(differ(ours, theirs)).toBeUndefined();
    expect(differ(theirs, ours)).toBeUndefined();
  });

  test("where only what may differ does, in structured content and in JSON text alike", () => {
    const at = (now: number) => of({ now, "a/b": now, rows: [{ id: 1, seen: now }, { id: 2 }] });
    expect(differ(at(1), at(2))).toBe("/content/0/text/now");
    const volatile = ["/now", "/a~1b", "/rows/0/seen", "/rows/7/seen", "/none/such", "/rows/length", "/toString"];
    expect(differ(at(1), at(2), volatile)).toBeUndefined();
    expect(differ(at(1), at(2), ["/now", "/a~1b"])).toBe("/content/0/text/rows/0/seen");
    // What is there on one side only may be missing on the other; and those after it in an array stay in their places.
    expect(differ(of({ a: 1, now: 2 }), of({ a: 1 }), ["/now"])).toBeUndefined();
    expect(differ(of({ l: [1, 2, 3] }), of({ l: [9, 2, 4] }), ["/l/0"])).toBe("/content/0/text/l/2");
    expect(differ(of({ a: 1 }), of({ b: 2 }), [""])).toBeUndefined();
    expect(differ({ content: [text("at 1")] }, { content: [text("at 2")] }, [""])).toBe("/content/0/text");
  });
});

test("a cursor of the mirror's stands for the origin's, whatever that is, and for none that is not there", () => {
  const paged = (nextCursor: unknown) => of({ rows: [1], nextCursor });
  expect(differ(paged("er1.abc"), paged("MjA="))).toBeUndefined();
  expect(differ(paged("er1.abc"), paged(20))).toBeUndefined();
  for (const none of ["", null]) expect(differ(paged("er1.abc"), paged(none))).toBe("/content/0/text/nextCursor");
  expect(differ(paged("er1.abc"), of({ rows: [1] }))).toBe("/content/0/text/nextCursor");
  expect(differ(paged("MjA="), paged("er1.abc"))).toBe("/content/0/text/nextCursor");
});

test.each<[place: string, ours: Result, theirs: Result]>([
  ["/structuredContent", of({}), { content: [text({})] }],
  ["/isError", { content: [], isError: true }, { content: [] }],
  ["/content/1", { content: [text("a")] }, { content: [text("a"), text("b")] }],
  ["/content/0/text", { content: [text("16.10")] }, { content: [text("16.1")] }],
  ["/content/0/text", { content: [text("{broken")] }, { content: [text("{broken ")] }],
  ["/content/0/text", { content: [text("[1]")] }, { content: [text({ 0: 1 })] }],
  ["/content/0/text", { content: [text("null")] }, { content: [text("[]")] }],
  ["/structuredContent/a~1b~0", { structuredContent: { "a/b~": 1 } }, { structuredContent: { "a/b~": 2 } }],
  ["/structuredContent/__proto__", { structuredContent: JSON.parse('{"__proto__":1}') }, { structuredContent: {} }],
  ["/structuredContent/toString", { structuredContent: {} }, { structuredContent: { toString: 1 } }],
  ["/more", { content: [] }, { content: [], more: null }],
])("they first differ at %s", (place, ours, theirs) => {
  expect(differ(ours, theirs)).toBe(place);
  expect(differ(theirs, ours)).toBe(place);
});

test("they are the same exactly where their canonical JSON is", () => {
  const value = fc.jsonValue({ maxDepth: 3 });
  fc.assert(
    fc.property(value, value, fc.boolean(), (one, other, isCopy) => {
      const theirs = isCopy ? (JSON.parse(canonicalize(one)!) as unknown) : other;
      const isSame = canonicalize(one) === canonicalize(theirs);
      expect(differ({ structuredContent: one }, { structuredContent: theirs }) === undefined).toBe(isSame);
    }),
    { numRuns: runs(300, 20_000) },
  );
});
