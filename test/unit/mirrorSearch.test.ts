import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { matchQuery } from "../../src/mirror/matchQuery.ts";
import { runs } from "../support/runs.ts";
import { HOSTILE, mirrored, said, type World } from "./support/mirrored.ts";

const from = { tool: "list", rows: "/items" };
const common = { from, key: "id", scope: "public" as const, index: ["kind"] };
const shape = { value: { ids: { each: "{row.id}" }, total: "{total}", next: "{next}" } };
const paging = { where: { kind: "{kind}" }, limit: "{limit}", cursor: "{cursor}" } as const;

let world: World;
beforeAll(async () => {
  world = await mirrored("answer-search", {
    collections: {
      books: { ...common, search: ["title", "/about/tags"] },
      parts: { ...common, search: { columns: ["name", "note"], match: "contains" } },
    },
    tools: {
      words: { answer: { from: "books", search: "{q}", ...paging }, shape },
      begun: { answer: { from: "books", search: { text: "{q}", prefix: true }, ...paging }, shape },
      byKey: { answer: { from: "books", search: "{q}", orderBy: "-key", ...paging }, shape },
      parts: { answer: { from: "parts", search: "{q}", ...paging }, shape },
    },
  });
});

type Answer = { ids: string[]; total: number; next?: string };
const search = (tool: string, q?: unknown, more = {}) =>
  world.call(tool, { ...(q !== undefined && { q }), ...more }).then(said) as Promise<Answer>;
const idsOf = async (tool: string, q: string, more = {}) => (await search(tool, q, more)).ids;

describe("by whole words", () => {
  const books = [
    { id: "1", kind: "a", title: "The naïve café", about: { tags: ["drinks", "Straße 5"] } },
    { id: "2", kind: "b", title: "Cafe CAFÉ cafe" },
    { id: "3", kind: "a", title: "A long title about many things, of which one is a cafe, and others are not at all" },
    { id: "4", kind: "b", title: "Кофе и чай", about: { tags: ["наука"] } },
    { id: "5", kind: "a", title: "Cafeteria well-known", about: { tags: "x86-64" } },
    { id: "6", kind: "a", title: "Cafeteria well-known" },
    { id: "7", kind: "a" },
  ];
  beforeAll(async () => {
    await world.publish("books", books);
    await world.publish("parts", []);
  });

  test("all of them are found, whatever their case, accents and place", async () => {
    for (const [q, ids] of [
      ["naive", ["1"]],
      ["NAÏVE drinks", ["1"]],
      ["straße 5", ["1"]],
      ["кофе НАУКА", ["4"]],
      ["cafe naive", ["1"]],
      ["caf", []],
      ["café tea", []],
      ["known-well", []],
      ["x86-64", ["5"]],
      ["86", []],
    ] as const) {
      expect([q, await search("words", q)]).toEqual([q, { ids, total: ids.length }]);
    }
    expect((await search("words")).ids).toEqual(["1", "2", "3", "4", "5", "6", "7"]);
    expect(await search("words", "cafe", { kind: "a" })).toEqual({ ids: ["1", "3"], total: 2 });
  });

  test("the best come first, on pages too, and else by key", async () => {
    const all = await idsOf("words", "cafe");
    expect(all).toEqual(["2", "1", "3"]);
    // The same in all that counts, but for the key.
    expect(await idsOf("words", "well-known")).toEqual(["6", "5"]);
    expect(await idsOf("byKey", "cafe")).toEqual(["3", "2", "1"]);
    const paged: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await search("words", "cafe", { limit: 2, ...(cursor && { cursor }) });
      expect(page.total).toBe(3);
      paged.push(...page.ids);
      cursor = page.next;
      // What is pulled meanwhile is no part of it.
      await world.publish("books", [...books, { id: `n${paged.length}`, title: "Cafe" }]);
    } while (cursor !== undefined);
    expect(paged.toSorted()).toEqual(["1", "2", "3"]);
    await world.publish("books", books);
  });

  test("beginnings of words are found where the operator says so", async () => {
    expect((await idsOf("begun", "caf")).toSorted()).toEqual(["1", "2", "3", "5", "6"]);
    expect((await idsOf("begun", "cafet ow")).toSorted()).toEqual([]);
    expect((await idsOf("begun", "cafet well-kno")).toSorted()).toEqual(["5", "6"]);
    expect(await idsOf("begun", "нау")).toEqual(["4"]);
  });

  test("what has no words, or more than can be looked for, is left to the origin", async () => {
    const words = Array.from({ length: 51 }, (_, nth) => `w${nth}`);
    const many = words.join(" ");
    for (const tool of ["words", "begun", "parts"]) {
      expect(await search(tool, words.slice(1).join(" "))).toMatchObject({ total: 0 });
    }
    for (const q of ["", "  ", "-- !", "😀", many, "x".repeat(2_001), null, 5, ["cafe"], "caf\0e", "\ud800"]) {
      expect([q, await search("words", q)]).toEqual([q, "not-covered"]);
    }
    expect(await search("words", `cafe - ${"cafe ".repeat(300)}`)).toMatchObject({ total: 3 });
  });

  test("a page past the ten thousand best is none", async () => {
    const first = await world.call("words", { q: "cafe", limit: 1 });
    const { next } = said(first) as Answer;
    const place = JSON.parse(atob(next!.slice(4).replaceAll("-", "+").replaceAll("_", "/"))) as unknown[];
    const at = (before: number) => `er1.${btoa(JSON.stringify(place.with(2, before))).replace(/=+$/, "")}`;
    expect(await search("words", "cafe", { limit: 1, cursor: at(1) })).toMatchObject({ ids: ["1"] });
    expect(await search("words", "cafe", { limit: 1, cursor: at(10_000) })).toBe("bad-cursor");
  });

  test("nothing in a query is syntax", async () => {
    const rows = HOSTILE.map((title, nth) => ({ id: `${nth}`, title: `${title} q` }));
    await world.publish("books", rows);
    for (const [nth, one] of HOSTILE.entries()) {
      for (const q of [one, `${one} q`, `q ${one}`]) {
        for (const tool of ["words", "begun"]) {
          const found = await search(tool, q);
          expect([q, found]).toEqual([
            q,
            q.length > 2_000 || !/[\p{L}\p{N}]/u.test(q) ? "not-covered" : expect.anything(),
          ]);
          if (typeof found !== "string") expect([q, found.ids]).toEqual([q, expect.arrayContaining([`${nth}`])]);
        }
      }
    }
    for (const q of [
      "q AND x86",
      "q OR nothing",
      "NOT q",
      "title:q",
      "{title} : q",
      "q NEAR/2 q",
      '"q',
      "q + q",
      "t0 : q",
    ]) {
      expect([q, await search("words", q)]).toEqual([q, expect.objectContaining({ ids: expect.any(Array) })]);
    }
    expect(await idsOf("words", "q OR nothing")).toEqual([]);
  });
});

describe("by parts of words", () => {
  const letters = fc.constantFrom("a", "B", "é", "É", " ", ".", '"', "'", "*", "%", "-", "😀", "ß", "İ", "Σ");
  const text = fc.string({ unit: letters, maxLength: 10 });
  const row = fc.record({
    name: fc.option(text),
    note: fc.oneof(text, fc.array(text, { maxLength: 2 })),
    kind: fc.constantFrom("x", "y"),
  });

  test("they are those that plain JavaScript finds", async () => {
    const sets = fc.array(row, { maxLength: 20 });
    const cuts = fc.array(fc.tuple(fc.nat(), fc.nat(10), fc.nat(6), text), { minLength: 10, maxLength: 10 });
    await fc.assert(
      fc.asyncProperty(sets, cuts, async (values, cuts) => {
        const rows = values.map((value, nth) => ({ id: `${nth}`.padStart(2, "0"), ...value }));
        await world.publish("parts", rows);
        const plain = rows.map(({ name, note }) => [name ?? "", ...[note].flat()].map((one) => one.toLowerCase()));
        for (const [nth, start, length, other] of cuts) {
          // A part of what is there, or whatever.
          const source = nth % 3 > 0 && rows.length > 0 ? plain[nth % rows.length]!.join(" ") : other;
          const q = source.slice(start, start + length) + (nth % 5 === 0 ? ` ${other}` : "");
          if (!q.isWellFormed()) continue;
          const parts = q
            .toLowerCase()
            .split(/\s+/)
            .filter((part) => part !== "");
          const expected = rows.filter((_, nth) =>
            parts.every((part) => plain[nth]!.some((one) => one.includes(part))),
          );
          const ids = expected.map(({ id }) => id);
          expect([q, await search("parts", q)]).toEqual([
            q,
            parts.length === 0 ? "not-covered" : { ids, total: ids.length },
          ]);
        }
      }),
      { numRuns: runs(10, 1_000) },
    );
  });

  test("short and long ones, hostile ones, and other conditions go together", async () => {
    const rows = HOSTILE.map((name, nth) => ({
      id: `${nth}`.padStart(2, "0"),
      name,
      note: ["ab", "längeres"],
      kind: "x",
    }));
    await world.publish("parts", rows);
    for (const [nth, one] of HOSTILE.entries()) {
      const q = `${one} ab ÄNGER`;
      const found = await search("parts", q, { kind: "x" });
      if (q.length > 2_000) expect(found).toBe("not-covered");
      else expect([q, found.ids]).toEqual([q, expect.arrayContaining([`${nth}`.padStart(2, "0")])]);
      if (q.length <= 2_000) expect(await search("parts", q, { kind: "y" })).toEqual({ ids: [], total: 0 });
    }
    // Columns are no one text.
    expect(await idsOf("parts", "ablä")).toEqual([]);
  });
});

test("a query is quoted, and each part said once", () => {
  expect(matchQuery("words", 'a "b" a')).toEqual({ match: '"a" """b"""', within: [] });
  expect(matchQuery("words", "ab c", true)).toEqual({ match: '"ab"* "c"*', within: [] });
  expect(matchQuery("contains", "ABC d 😀😀 😀é😀")).toEqual({ match: '"abc" "😀é😀"', within: ["d", "😀😀"] });
  expect(matchQuery("contains", "ab")).toEqual({ within: ["ab"] });
});
