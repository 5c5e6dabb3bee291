import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import type { AnswerConfig } from "../../src/config/mirrorTypes.ts";
import { columnValue } from "../../src/mirror/columnValue.ts";
import { runs } from "../support/runs.ts";
import { AS_OF, HOSTILE, mirrored, said, strict, type World } from "./support/mirrored.ts";

const from = { tool: "list", rows: "/items" };
const things = {
  from,
  key: "id",
  scope: "public" as const,
  index: [["a", "b"], "b", { at: "v", as: "version" as const }, { at: "l", as: "lower" as const }],
};
const shape = { value: { ids: { each: "{row.id}" }, total: "{total}", count: "{count}", next: "{next}" } };
const when: Record<string, string | string[]> = {
  a: "a",
  b: "b",
  "-b": "-b",
  "-key": "-key",
  ab: ["a", "-b"],
  "-vb": ["-v", "b", "-key"],
};
const all: AnswerConfig = {
  from: "things",
  where: {
    a: { eq: "{a}", in: "{as}", prefix: "{aBegins}", null: "{aNull}" },
    b: { gt: "{bOver}", gte: "{bFrom}", lt: "{bUnder}", lte: "{bTo}" },
    v: { eq: "{v}", gte: "{vFrom}", lt: "{vUnder}", orNull: true },
    l: { eq: "{l}", prefix: "{lBegins}" },
  },
  orderBy: { argument: "{by}", when },
  limit: "{page.limit}",
  cursor: "{page.cursor}",
};

interface Row {
  id: string;
  a?: unknown;
  b?: unknown;
  v?: unknown;
  l?: unknown;
}
type Value = string | number | null;
type Answer = { ids: string[]; total: number; count: number; next?: string };

/** As SQLite has it: null, numbers, texts by their characters. */
function compare(x: Value, y: Value): number {
  const kinds = [x, y].map((value) => (value === null ? 0 : typeof value === "number" ? 1 : 2));
  if (kinds[0] !== kinds[1]) return kinds[0]! - kinds[1]!;
  if (typeof x !== "string" || typeof y !== "string") return Number(x) - Number(y);
  const [these, those] = [[...x], [...y]].map((text) => text.map((character) => character.codePointAt(0)!));
  const nth = these!.findIndex((code, nth) => code !== those![nth]);
  return nth < 0 ? these!.length - those!.length : those!.length === nth ? 1 : these![nth]! - those![nth]!;
}

const COLUMNS = { a: "value", b: "value", v: "version", l: "lower" } as const;
const columnOf = (row: Row, name: keyof typeof COLUMNS): Value => columnValue(COLUMNS[name], row[name]);
/** Whether two are of a kind, so that one may be more than the other. */
const above = (x: Value, y: Value, sign: number) =>
  x !== null && y !== null && typeof x === typeof y && compare(x, y) * sign > 0;

/** What the call finds, in plain JavaScript. */
function model(rows: readonly Row[], args: Record<string, unknown>): string[] {
  const tests: Record<string, (row: Row, value: never) => boolean> = {
    a: (row, value) => columnOf(row, "a") === columnValue("value", value),
    as: (row, values: unknown[]) => values.some((value) => columnOf(row, "a") === columnValue("value", value)),
    aBegins: (row, begin: string) => typeof row.a === "string" && row.a.startsWith(begin),
    aNull: (row, is: boolean) => (columnOf(row, "a") === null) === is,
    bOver: (row, value) => above(columnOf(row, "b"), value, 1),
    bFrom: (row, value) => columnOf(row, "b") === value || above(columnOf(row, "b"), value, 1),
    bUnder: (row, value) => above(columnOf(row, "b"), value, -1),
    bTo: (row, value) => columnOf(row, "b") === value || above(columnOf(row, "b"), value, -1),
    l: (row, value) => columnOf(row, "l") === columnValue("lower", value),
    lBegins: (row, begin: string) => typeof row.l === "string" && row.l.toLowerCase().startsWith(begin.toLowerCase()),
  };
  const ofVersion: Record<string, (order: number) => boolean> = {
    v: (order) => order === 0,
    vFrom: (order) => order >= 0,
    vUnder: (order) => order < 0,
  };
  const found = rows.filter((row) => {
    const version = columnOf(row, "v");
    return Object.entries(args).every(([name, value]) => {
      if (name in ofVersion)
        return version === null || ofVersion[name]!(compare(version, columnValue("version", value)));
      return tests[name]?.(row, value as never) ?? true;
    });
  });
  const by = when[args["by"] as string] ?? [];
  const parts = [by].flat().map((part) => ({ name: part.replace("-", ""), sign: part.startsWith("-") ? -1 : 1 }));
  const valueOf = (row: Row, name: string) => (name === "key" ? row.id : columnOf(row, name as keyof typeof COLUMNS));
  return found
    .toSorted((x, y) => {
      for (const { name, sign } of parts) {
        const order = compare(valueOf(x, name), valueOf(y, name));
        if (order !== 0) return order * sign;
      }
      return compare(x.id, y.id);
    })
    .map(({ id }) => id);
}

const text = fc.constantFrom(
  "",
  "a",
  "A",
  "ab",
  "a%",
  "b",
  "é",
  "É",
  "z",
  "\uD7FF",
  "\uFFFF",
  "😀",
  "😀😀",
  "\u{10FFFF}",
);
const number = fc.constantFrom(-1, 0, 1, 1.5, 2, 10, 1e21, -0.5);
const version = fc.constantFrom("1", "1.0", "v2", "2.10", "2.9", "≤10", "10.0.1", "preview", "1.x", 3);
const other = fc.constantFrom(undefined, null, true, false, [1], { x: 1 });
const row = fc.record({
  id: fc.string({ unit: fc.constantFrom("a", "b", "B", "é", "~", "\uFFFF", "😀"), minLength: 1, maxLength: 3 }),
  a: fc.oneof(text, number, other),
  b: fc.oneof(text, number, number, other),
  v: fc.oneof(version, other),
  l: fc.oneof(text, fc.constantFrom("STRASSE", "Straße", "İ", "ΣΑΣ"), number, other),
});
const given = fc.record(
  {
    a: fc.oneof(text, number, fc.boolean()),
    as: fc.array(fc.oneof(text, number, fc.boolean()), { minLength: 1, maxLength: 4 }),
    aBegins: text,
    aNull: fc.boolean(),
    bOver: fc.oneof(number, text),
    bFrom: fc.oneof(number, text),
    bUnder: fc.oneof(number, text),
    bTo: fc.oneof(number, text),
    v: version.filter((one) => columnValue("version", one) !== null),
    vFrom: version.filter((one) => columnValue("version", one) !== null),
    vUnder: version.filter((one) => columnValue("version", one) !== null),
    l: text,
    lBegins: text,
    by: fc.constantFrom(...Object.keys(when)),
  },
  { requiredKeys: [] },
);
/** Few conditions at a time, so that something is found. */
const asked = fc
  .tuple(
    given,
    fc.subarray(
      ["a", "as", "aBegins", "aNull", "bOver", "bFrom", "bUnder", "bTo", "v", "vFrom", "vUnder", "l", "lBegins"],
      { maxLength: 3 },
    ),
  )
  .map(([args, names]) =>
    Object.fromEntries(Object.entries(args).filter(([name]) => name === "by" || names.includes(name))),
  );

let world: World;
beforeAll(async () => {
  world = await mirrored("answer-rows", {
    collections: { things },
    tools: {
      find: { answer: all, shape },
      plain: { answer: { from: "things" }, shape: { value: { each: "{row.id}" } } },
    },
  });
});

const find = (args: Record<string, unknown>, page?: object) =>
  world.call("find", page ? { ...args, page } : args).then(said) as Promise<Answer>;

/** All pages of so many rows. */
async function paged(args: Record<string, unknown>, limit: number, between?: (page: number) => Promise<void>) {
  const pages: Answer[] = [];
  let cursor: string | undefined;
  do {
    const page = await find(args, { limit, ...(cursor !== undefined && { cursor }) });
    pages.push(page);
    cursor = page.next;
    await between?.(pages.length);
  } while (cursor !== undefined);
  return pages;
}

describe("rows by their columns", () => {
  test("are those that plain JavaScript finds, in its order, on pages of any size", async () => {
    const sets = fc.uniqueArray(row, { selector: ({ id }) => id, maxLength: 24 });
    const calls = fc.array(fc.tuple(asked, fc.integer({ min: 1, max: 6 })), { minLength: 6, maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(sets, calls, async (rows, calls) => {
        await world.publish("things", rows);
        for (const [args, limit] of calls) {
          const expected = model(rows as Row[], args);
          expect(await find(args)).toEqual({ ids: expected, total: expected.length, count: expected.length });
          const pages = await paged(args, limit);
          expect(pages.flatMap(({ ids }) => ids)).toEqual(expected);
          expect(new Set(pages.map(({ total }) => total))).toEqual(new Set([expected.length]));
          expect(pages.length).toBe(Math.max(1, Math.ceil(expected.length / limit)));
        }
      }),
      { numRuns: runs(5, 1_000) },
    );
  });

  test("are those of one version on all pages, whatever is pulled meanwhile", async () => {
    const rowsOf = (n: number) =>
      Array.from({ length: 9 }, (_, nth) => ({ id: `${n}${nth}`, a: "x", b: (nth * 7) % 5 }));
    for (const by of ["b", "-b", "-key", "ab", "-vb", undefined]) {
      const before = rowsOf(1);
      await world.publish("things", before);
      const args = { a: "x", ...(by && { by }) };
      const expected = model(before, args);
      const pages = await paged(args, 2, (page) => world.publish("things", rowsOf(page + 1)));
      expect(pages.flatMap(({ ids }) => ids)).toEqual(expected);
      expect((await find(args)).ids).toEqual(model(rowsOf(pages.length + 1), args));
    }
  });

  test("a page says how old its own version is", async () => {
    await world.publish("things", [{ id: "1" }, { id: "2" }]);
    const first = await world.call("find", { page: { limit: 1 } });
    if (first.kind !== "answer") throw new Error(first.kind);
    const { next } = said(first) as Answer;
    await world.publish("things", [{ id: "3" }]);
    const { facts } = first;
    expect(facts.asOf).toBe(AS_OF + facts.version);
    expect(await world.call("find", { page: { limit: 1, cursor: next } })).toMatchObject({
      facts: { ...facts, keys: ["2"] },
    });
  });
});

const UNFIT: Record<string, unknown>[] = [
  { a: null },
  { a: ["x"] },
  { a: { eq: "x" } },
  { a: "x\0" },
  { a: "\udc00" },
  { as: "x" },
  { as: [] },
  { as: ["x", null] },
  { as: ["x", "\ud800"] },
  { as: Array(1_001).fill("x") },
  { as: ["x".repeat(500_001)] },
  { aBegins: 1 },
  { aNull: "true" },
  { aNull: 1 },
  { bOver: {} },
  { v: "preview" },
  { vFrom: "" },
  { v: true },
  { l: [] },
  { by: "id" },
  { by: "constructor" },
  { by: 1 },
  { by: null },
  { page: { limit: 0 } },
  { page: { limit: 1_001 } },
  { page: { limit: 1.5 } },
  { page: { limit: "5" } },
  { page: { limit: null } },
  { page: { cursor: null } },
  { page: { cursor: 1 } },
  { page: { cursor: "another's" } },
  { page: { size: 3 } },
  { page: null },
  { page: [] },
  { more: 1 },
];

test("a beginning is that of the text, whatever its characters", async () => {
  const texts = [
    "",
    "a",
    "a\u{10FFFF}b",
    "b",
    "\uD7FF",
    "\uD7FF!",
    "\uE000",
    "\uFFFD",
    "\uFFFF",
    "😀",
    "\u{10FFFF}",
    "\u{10FFFF}a",
  ];
  await world.publish(
    "things",
    texts.map((a, nth) => ({ id: `${nth}`, a })),
  );
  for (const begin of texts) {
    const expected = texts.flatMap((a, nth) => (a.startsWith(begin) ? [`${nth}`] : []));
    expect([begin, (await find({ aBegins: begin })).ids.toSorted()]).toEqual([begin, expected.toSorted()]);
  }
});

test("what no column, limit or cursor can be gone by is left to the origin", async () => {
  await world.publish("things", [{ id: "1" }]);
  for (const args of UNFIT) expect([args, said(await world.call("find", args))]).toEqual([args, "not-covered"]);
});

test("no argument is anything but a value", async () => {
  const rows = HOSTILE.map((a, nth) => ({ id: `${nth}`, a, b: a, l: a }));
  await world.publish("things", rows);
  for (const [nth, one] of HOSTILE.entries()) {
    for (const args of [{ a: one }, { as: [one] }, { a: one, aBegins: one }, { bFrom: one, bTo: one }, { l: one }]) {
      expect((await find(args)).ids).toEqual([`${nth}`]);
    }
    expect((await find({ lBegins: one })).ids).toContain(`${nth}`);
    expect(said(await world.call("find", { by: one }))).toBe("not-covered");
  }
  // Places that are too long for a cursor are counted.
  const pages = await paged({ by: "a" }, 1);
  expect(pages.flatMap(({ ids }) => ids)).toEqual(model(rows, { by: "a" }));
  expect(Math.max(...pages.map(({ next = "" }) => next.length))).toBeLessThan(4_097);
});

describe("a cursor", () => {
  const decode = (cursor: string) =>
    JSON.parse(
      new TextDecoder().decode(Uint8Array.fromBase64(cursor.slice(4), { alphabet: "base64url" })),
    ) as unknown[];
  const encode = (value: unknown) =>
    `er1.${new TextEncoder().encode(JSON.stringify(value)).toBase64({ alphabet: "base64url", omitPadding: true })}`;
  const rows = Array.from({ length: 4 }, (_, nth) => ({ id: `${nth}`, a: "x", b: nth % 2 }));
  const args = { a: "x", by: "b" };
  const at = (cursor: unknown, more = {}) =>
    world.call("find", { ...args, ...more, page: { limit: 2, cursor } }).then(said);
  let cursor = "";
  beforeAll(async () => {
    await world.publish("things", rows);
    cursor = (await find(args, { limit: 2 })).next!;
  });

  test("is good for the call that it was given for", async () => {
    expect(await at(cursor)).toEqual({ ids: ["1", "3"], total: 4, count: 2 });
    for (const more of [{ a: "y" }, { by: "-b" }, { by: "a" }, { aNull: false }]) {
      expect(await at(cursor, more)).toBe("bad-cursor");
    }
    expect(said(await world.call("find", { ...args, page: { limit: 1, cursor } }))).toBe("bad-cursor");
  });

  test("that was tampered with is refused, or leads to nothing else than the call does", async () => {
    const [version, digest, before, after, asOf, seq] = decode(cursor) as [
      number,
      string,
      number,
      unknown[],
      number,
      number,
    ];
    expect(after).toEqual([0, "2"]);
    const broken: unknown[] = [
      [],
      {},
      null,
      [version, digest, before, after, asOf],
      [version, digest, before, after, asOf, seq, 1],
      [0, digest, before, after, asOf, seq],
      [-1, digest, before, after, asOf, seq],
      [1e300, digest, before, after, asOf, seq],
      [`${version}`, digest, before, after, asOf, seq],
      [version + 1, digest, before, after, asOf, seq],
      [version, "", before, after, asOf, seq],
      [version, digest, 1e7, after, asOf, seq],
      [version, digest, -1, after, asOf, seq],
      [version, digest, before, [0], asOf, seq],
      [version, digest, before, [0, "2", "2"], asOf, seq],
      [version, digest, before, [0, 2], asOf, seq],
      [version, digest, before, [{}, "2"], asOf, seq],
      [version, digest, before, ["\ud800", "2"], asOf, seq],
      [version, digest, before, 7, asOf, seq],
      [version, digest, before, after, "now", seq],
      [version, digest, before, after, asOf, null],
    ];
    for (const one of broken) expect([one, await at(encode(one))]).toEqual([one, "bad-cursor"]);
    for (const text of ["er1.", "er1.!", "er1.e30", `${cursor}A`, cursor.slice(0, -2), `er1.${"A".repeat(9_999)}`]) {
      expect([text, await at(text)]).toEqual([text, "bad-cursor"]);
    }
    for (const [place, ids] of [
      [
        [null, "0"],
        ["0", "2"],
      ],
      [["' OR 1=1 --", "0"], []],
      [
        [1, "0"],
        ["1", "3"],
      ],
    ] as const) {
      expect(await at(encode([version, digest, before, place, asOf, seq]))).toMatchObject({ ids, total: 4 });
    }
    expect(await at(encode([version, digest, 3, null, asOf, seq]))).toMatchObject({ ids: ["3"], total: 4 });
    const later = await world.call("find", {
      ...args,
      page: { limit: 2, cursor: encode([version, digest, before, after, asOf * 2, seq * 2]) },
    });
    expect(later).toMatchObject({ facts: { asOf: AS_OF + version, seq: version } });
  });

  test("of a version that is not kept any more, or of another feed, is refused", async () => {
    await world.publish("things", rows.slice(1));
    expect(await at(cursor)).toMatchObject({ ids: ["1", "3"] });
    await world.db.prepare("UPDATE mirror SET feed_id = 'g' WHERE name = ?").bind(world.nameOf("things")).run();
    expect(await at(cursor)).toBe("bad-cursor");
    await world.db.prepare("UPDATE mirror SET feed_id = 'f' WHERE name = ?").bind(world.nameOf("things")).run();
    expect(await at(cursor)).toMatchObject({ ids: ["1", "3"] });
    await world.keepFrom("things", (decode(cursor)[0] as number) + 1);
    expect(await at(cursor)).toBe("bad-cursor");
  });

  test("that a replica of the database does not know yet is looked up in the database itself", async () => {
    await world.publish("things", rows);
    const [version, ...rest] = decode((await find(args, { limit: 2 })).next!) as [number];
    const asked: string[] = [];
    // There are no replicas here: the database gets ahead when it is asked itself.
    const behind = (publish: boolean) => ({
      ...world.db,
      withSession(where: D1SessionConstraint) {
        asked.push(where);
        const session = world.db.withSession(where);
        const batch = async (statements: D1PreparedStatement[]) => {
          if (publish && where === "first-primary") await world.publish("things", rows.slice(0, 3));
          return session.batch(statements);
        };
        return { prepare: (sql: string) => session.prepare(sql), batch };
      },
    });
    const call = { ...args, page: { limit: 2, cursor: encode([version + 1, ...rest]) } };
    expect(said(await world.call("find", call, behind(false) as never))).toBe("bad-cursor");
    expect(said(await world.call("find", call, behind(true) as never))).toMatchObject({ ids: ["1"], total: 3 });
    expect(asked).toEqual(["first-unconstrained", "first-primary", "first-unconstrained", "first-primary"]);
  });
});

test("what is looked up beside comes first, and may be all there is to say", async () => {
  const config: AnswerConfig = {
    from: "things",
    where: { a: "{a}" },
    with: {
      kinds: { from: "kinds", every: "name" },
      kind: { from: "kinds", key: "{a}", otherwise: { text: "No {args.a}, but {kinds|join}." } },
      maybe: { from: "kinds", key: "{b}" },
    },
  };
  const beside = await mirrored("answer-beside", {
    collections: { things, kinds: { from, key: "name", scope: "public" } },
    tools: {
      find: {
        answer: config,
        shape: { value: { of: "{kind.title}", maybe: "{maybe.title}", ids: { each: "{row.id}" } } },
      },
    },
  });
  const ask = (a: unknown, b?: unknown) => beside.call("find", { a, ...(b !== undefined && { b }) });
  await beside.publish("things", [{ id: "1", a: "x" }]);
  expect(said(await ask("x", "y"))).toBe("not-synced");
  await beside.publish("kinds", [
    { name: "y", title: "Why" },
    { name: "x", title: "Ex" },
  ]);
  await beside.publish("things", [
    { id: "1", a: "x" },
    { id: "2", a: "x" },
  ]);
  const found = await ask("x", "y");
  expect(said(found)).toEqual({ of: "Ex", maybe: "Why", ids: ["1", "2"] });
  // Of several collections, what is true of all.
  const asOfs = [["things", AS_OF + 2], ...Array(3).fill(["kinds", AS_OF + 1])];
  expect(found).toMatchObject({
    facts: { version: 2, asOf: AS_OF + 1, asOfs, seq: 1, feedId: "f", from: ["things", "kinds"] },
  });
  expect(said(await ask("x", "z"))).toEqual({ of: "Ex", ids: ["1", "2"] });
  expect(said(await ask("y", "y"))).toEqual({ of: "Why", maybe: "Why", ids: [] });
  expect(said(await ask("z", "y"))).toBe("refused: No z, but x, y.");
  expect(said(await ask("x"))).toBe("not-covered");
  await beside.db.prepare("UPDATE mirror SET feed_id = 'g' WHERE name = ?").bind(beside.nameOf("kinds")).run();
  expect(await ask("x", "y")).toMatchObject({ facts: { feedId: null } });
});

test("many conditions are nested no deeper than the database can, and more values than it takes are left to the origin", async () => {
  const names = Array.from({ length: 16 }, (_, nth) => `m${nth}`);
  const conditions = {
    eq: "{x}",
    in: "{xs}",
    prefix: "{x}",
    gt: "{y}",
    gte: "{x}",
    lt: "{z}",
    lte: "{x}",
    orNull: true,
  };
  const shape = { value: { ids: { each: "{row.id}" }, total: "{total}", next: "{next}" } };
  const paging = { from: "wide", cursor: "{c}", limit: 1, orderBy: names.slice(0, 8) };
  const of = (where: (name: string, nth: number) => object) => ({
    answer: { ...paging, where: Object.fromEntries(names.map((name, nth) => [name, where(name, nth)])) },
    shape,
  });
  const wide = await mirrored("answer-wide", {
    collections: { wide: { from, key: "id", scope: "public", index: names } },
    tools: {
      deep: of(() => conditions),
      // Each with values of its own.
      wide: of((_, nth) => ({ eq: "x", gt: `a${nth}`, gte: `b${nth}`, lt: `y${nth}`, lte: `z${nth}` })),
      wider: of((_, nth) => ({
        eq: `x${nth}`,
        gt: `a${nth}`,
        gte: `b${nth}`,
        lt: `y${nth}`,
        lte: `z${nth}`,
        in: ["x", nth],
      })),
    },
  });
  const row = Object.fromEntries(names.map((name) => [name, "x"]));
  await wide.publish("wide", [
    { id: "1", ...row },
    { id: "2", ...row },
  ]);
  const args = { x: "x", xs: ["x"], y: "w", z: "y" };
  for (const [tool, given] of [
    ["deep", args],
    ["wide", {}],
  ] as const) {
    const { next, ...first } = said(await wide.call(tool, given)) as Answer;
    expect(first).toEqual({ ids: ["1"], total: 2 });
    expect(said(await wide.call(tool, { ...given, c: next }))).toEqual({ ids: ["2"], total: 2 });
  }
  // Not even the first page, whose next could not be had.
  expect(said(await wide.call("wider", {}))).toBe("not-covered");
});

test("texts of more than the database takes are left to the origin", async () => {
  const long = "x".repeat(2_100_000);
  for (const args of [{ a: long }, { aBegins: long }, { as: ["x", long] }, { bFrom: long }, { l: long }])
    expect(said(await world.call("find", args, strict))).toBe("not-covered");
});

test("more than is read at once is left to the origin", async () => {
  const rows = Array.from({ length: 20 }, (_, nth) => ({ id: `${nth + 10}`, text: "x".repeat(500_000) }));
  await world.publish("things", rows);
  expect(said(await world.call("find", {}))).toBe("not-covered");
  expect(said(await world.call("find", { page: { limit: 4 } }))).toBe("not-covered");
  expect((await find({}, { limit: 2 })).ids).toHaveLength(2);
  await world.publish("things", []);
  expect(await find({})).toEqual({ ids: [], total: 0, count: 0 });
});
